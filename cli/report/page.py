"""The whole page."""

from __future__ import annotations

from cli.report.distributions import columns, groups
from cli.report.document import document
from cli.report.files import files
from cli.report.markup import Content, Markup, join, tag
from cli.report.ranker import ranker
from cli.report.retrieval import index
from cli.report.tables import facts
from cli.report.words import size, whole
from domain.columns import Vocabulary
from engine.survey import BundleSurvey


def page(found: BundleSurvey) -> str:
    """The report as one HTML document."""
    digest = tag("p", "sha256 of its manifest: ", tag("code", found.bundle.digest))
    return document(f"Bundle {found.bundle.manifest.version}", [digest, _cards(found)], _sections(found))


def _sections(found: BundleSurvey) -> list[tuple[str, str, Markup]]:
    """(id, title, content) in order."""
    manifest, tables = found.bundle.manifest, found.tables
    vocabularies = _vocabularies(found)
    asked = manifest.build.get("recall")
    floor = float(asked) if isinstance(asked, int | float) else None
    sections = [
        ("creators", "Creators", join([groups(tables.groups, manifest.creator_count, manifest.emerging_tiers)])),
        ("creator-columns", "Columns of creators", columns(tables.creators, "creator", vocabularies)),
    ]
    if tables.users is not None:
        sections.append(("user-columns", "Columns of users", columns(tables.users, "user", vocabularies)))
    return [
        *sections,
        ("retrieval", "Retrieval", join([index(name, one, floor) for name, one in found.indexes.items()])),
        ("ranking", "Ranking", join([ranker(name, one) for name, one in found.rankers.items()])),
        ("build", "Build", _build(found)),
        ("files", "Files and memory", files(found.files, _gathered(found))),
    ]


def _gathered(found: BundleSurvey) -> set[str]:
    """Tables of the form in which each ranker is served; those of the whole form lie beside them."""
    return {f"rankers/{name}/tables/{table.file}" for name, one in found.rankers.items() for table in one.description.tables}


def _vocabularies(found: BundleSurvey) -> dict[str, Vocabulary]:
    """Of the ranker that the tables were encoded for."""
    first = next(iter(found.rankers.values()), None)
    return {} if first is None else dict(first.binding.vocabularies)


def _cards(found: BundleSurvey) -> Markup:
    manifest = found.bundle.manifest
    shown = (
        ("creators", whole(manifest.creator_count)),
        ("users", whole(manifest.user_count)),
        ("dimensions", whole(manifest.dimension_count)),
        ("candidates", whole(manifest.candidate_count)),
        ("recall", f"{manifest.recall:.4f}"),
        ("ranker", ", ".join(one.description.form for one in found.rankers.values())),
        ("golden requests", whole(found.golden_count)),
        ("size", f"{size(sum(found.files.values()))} in {len(found.files)} files"),
    )
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in shown), class_="cards")


def _build(found: BundleSurvey) -> Markup:
    manifest = found.bundle.manifest
    dropped = [f"{whole(count)} ids of {name}" for name, count in manifest.dropped.items() if count]
    pairs: list[tuple[str, Content]] = [
        ("version", manifest.version),
        ("digest", tag("code", found.bundle.digest)),
        ("digest of the users", tag("code", manifest.users_digest() or "-")),
        ("format", str(manifest.format)),
        ("embedding space", f"{manifest.embedding_space}, similarity {manifest.space}"),
        ("emerging tiers", ", ".join(manifest.emerging_tiers) or "none"),
        ("left out (text that the ranker does not read)", ", ".join(manifest.left_out) or "nothing"),
        ("dropped (ids of lists that are no creators)", ", ".join(dropped) or "nothing"),
        ("golden requests, proved at every start", whole(found.golden_count)),
    ]
    options = [(name.replace("_", " "), _option(value)) for name, value in manifest.build.items()]
    profiles = [(name, f"index {p.index}, ranker {p.ranker}") for name, p in manifest.profiles.items()]
    return join([facts("Identity", pairs), facts("Build options", options), facts("Profiles", profiles)])


def _option(value: object) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
