"""What a bundle says about itself. Its identity is the sha256 of the manifest file's bytes, which name the digest of every other file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from bundle.column_json import columns_from_json, columns_to_json
from bundle.layout import FOLDER_NAME, MANIFEST, REPORT, USERS
from bundle.strict_json import JsonObject, parse_object, to_bytes
from domain.columns import ColumnSpec
from domain.errors import ArtifactError, ArtifactReason
from domain.request import MAX_CANDIDATE_COUNT
from domain.slate import Profile

FORMAT = 1
_UNDERSTOOD: frozenset[str] = frozenset()  # entries of "requires" that this version can serve: none exist yet
_SPACES = ("cosine", "ip")


@dataclass(frozen=True, slots=True)
class FileRecord:
    """Size in bytes and hexadecimal sha256 of one file."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The content of manifest.json.

    version is a label, embedding_space the id that requests name, space "cosine" or "ip". indexes and rankers are descriptions that only
    retrieval and ranking understand. recall is the measured one at `candidate_count`. left_out and dropped go by full names (`user.followed`):
    columns that are not in the bundle, and how many ids of a list named no creator. files: by path relative to the bundle, '/' between folders.
    checksum: what the file states about all other fields but `files`, whose records are held against the files themselves; "" before it is written.
    """

    format: int = FORMAT
    requires: tuple[str, ...] = ()
    version: str
    embedding_space: str
    space: str
    dimension_count: int
    creator_count: int
    user_count: int
    candidate_count: int
    emerging_tiers: tuple[str, ...] = ()
    creator_columns: tuple[ColumnSpec, ...]
    user_columns: tuple[ColumnSpec, ...] = ()
    profiles: dict[str, Profile]
    indexes: dict[str, dict[str, object]]
    rankers: dict[str, dict[str, object]]
    recall: float
    dropped: dict[str, int] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    build: dict[str, object] = field(default_factory=dict)
    absorbed: dict[str, object] = field(default_factory=dict)
    files: dict[str, FileRecord] = field(default_factory=dict)
    checksum: str = field(default="", compare=False)

    def to_json(self) -> dict[str, object]:
        """Plain JSON values, for `to_bytes` and for programs that read them."""
        files = {path: {"size": record.size, "sha256": record.sha256} for path, record in self.files.items()}
        return {**self._fields(), "files": files, "checksum": self.own_checksum()}

    def own_checksum(self) -> str:
        """The sha256 over every field but `files`: what `checksum` must state. It tells damage, not forgery: that is for whoever knows the digest."""
        return hashlib.sha256(to_bytes(self._fields())).hexdigest()

    def _fields(self) -> dict[str, object]:
        return {
            "format": self.format,
            "requires": list(self.requires),
            "version": self.version,
            "embedding_space": self.embedding_space,
            "space": self.space,
            "dimension_count": self.dimension_count,
            "creator_count": self.creator_count,
            "user_count": self.user_count,
            "candidate_count": self.candidate_count,
            "emerging_tiers": list(self.emerging_tiers),
            "creator_columns": columns_to_json(self.creator_columns),
            "user_columns": columns_to_json(self.user_columns),
            "profiles": {n: {"index": p.index, "ranker": p.ranker, "objective": dict(p.objective)} for n, p in self.profiles.items()},
            "indexes": self.indexes,
            "rankers": self.rankers,
            "recall": self.recall,
            "dropped": self.dropped,
            "left_out": list(self.left_out),
            "build": self.build,
            "absorbed": self.absorbed,
        }

    def to_bytes(self) -> bytes:
        """The bytes of manifest.json: the same manifest gives the same bytes."""
        return to_bytes(self.to_json())

    def users_digest(self) -> str:
        """The digest of the user store alone; empty when the bundle has none."""
        users = {path: record for path, record in self.files.items() if path.startswith(f"{USERS}/")}
        return content_digest(users) if users else ""


def content_digest(files: Mapping[str, FileRecord]) -> str:
    """One hexadecimal sha256 over paths, sizes and digests, in path order. Reports hold measured times, and are left out."""
    lines = (f"{path}\0{files[path].size}\0{files[path].sha256}\n" for path in sorted(files) if PurePosixPath(path).name != REPORT)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def parse_manifest(data: bytes, file: object) -> Manifest:
    """The manifest in `data`. MANIFEST_INVALID names the field; UNSAFE_ARTIFACT a file path that leads out of the bundle."""
    source = parse_object(data, file, ArtifactReason.MANIFEST_INVALID)
    _check_format(source)
    manifest = Manifest(
        requires=source.texts("requires"),
        version=_label(source, "version"),
        embedding_space=_label(source, "embedding_space"),
        space=source.text("space"),
        dimension_count=source.integer("dimension_count", 1),
        creator_count=source.integer("creator_count", 1),
        user_count=source.integer("user_count"),
        candidate_count=source.integer("candidate_count", 1),
        emerging_tiers=source.texts("emerging_tiers"),
        creator_columns=columns_from_json(source, "creator_columns"),
        user_columns=columns_from_json(source, "user_columns"),
        profiles={name: _profile(name, child) for name, child in source.named_children("profiles").items()},
        indexes=_descriptions(source, "indexes"),
        rankers=_descriptions(source, "rankers"),
        recall=source.number("recall"),
        dropped=_counts(source.child("dropped")),
        left_out=source.texts("left_out"),
        build=source.child("build").values,
        absorbed=source.child("absorbed").values,
        files={path: _file(path, child) for path, child in source.named_children("files").items()},
        checksum=source.text("checksum"),
    )
    _check_references(manifest, source)
    return manifest


def _check_format(source: JsonObject) -> None:
    if source.integer("format") != FORMAT:
        raise source.invalid(f'"format" is {source.integer("format")}; this version reads format {FORMAT}: use the Earshot that built the bundle')
    unknown = [entry for entry in source.texts("requires") if entry not in _UNDERSTOOD]
    if unknown:
        raise source.invalid(f'"requires" names {unknown[0]!r:.80}, which this version does not know; use a newer Earshot')


def _check_references(manifest: Manifest, source: JsonObject) -> None:
    if manifest.space not in _SPACES:
        raise source.invalid(f'the field "space" must be one of {", ".join(_SPACES)}, not {manifest.space!r:.80}')
    if manifest.candidate_count > MAX_CANDIDATE_COUNT:
        raise source.invalid(f'the field "candidate_count" must be at most {MAX_CANDIDATE_COUNT}, not {manifest.candidate_count}')
    if not 0.0 <= manifest.recall <= 1.0:
        raise source.invalid(f'the field "recall" must lie between 0 and 1, not {manifest.recall}')
    _check_profiles(manifest, source)


def _check_profiles(manifest: Manifest, source: JsonObject) -> None:
    if "default" not in manifest.profiles:
        raise source.invalid('the field "profiles" has no profile named "default"')
    for name, profile in manifest.profiles.items():
        if not name.isprintable() or len(name) > 64:
            raise source.invalid(f"the profile {name!r:.80} must have a name of at most 64 printable characters")
        if profile.index not in manifest.indexes:
            raise source.invalid(f"profile {name!r:.80} names the index {profile.index!r:.80}, which is not in the bundle")
        if profile.ranker not in manifest.rankers:
            raise source.invalid(f"profile {name!r:.80} names the ranker {profile.ranker!r:.80}, which is not in the bundle")


def _label(source: JsonObject, name: str) -> str:
    value = source.text(name)
    if not value or not value.isprintable() or len(value) > 256:
        raise source.invalid(f'the field "{name}" must be 1 to 256 printable characters, not {value!r:.80}')
    return value


def _profile(name: str, source: JsonObject) -> Profile:
    objective = source.child("objective")
    return Profile(name, source.text("index"), source.text("ranker"), {head: objective.number(head) for head in objective.values})


def _descriptions(source: JsonObject, name: str) -> dict[str, dict[str, object]]:
    children = source.named_children(name)
    for child in children:
        if not FOLDER_NAME.fullmatch(child):
            raise source.invalid(f'the field "{name}" holds {child!r:.80}, which is no folder name')
    return {key: child.values for key, child in children.items()}


def _counts(source: JsonObject) -> dict[str, int]:
    return {name: source.integer(name) for name in source.values}


def _file(path: str, source: JsonObject) -> FileRecord:
    parts = PurePosixPath(path).parts
    if not parts or not path.isprintable() or path.startswith("/") or "\\" in path or ".." in parts or "/".join(parts) != path or path == MANIFEST:
        raise ArtifactError(source.file, ArtifactReason.UNSAFE_ARTIFACT, f"lists the file {path!r:.80}, which is no plain path inside the bundle")
    sha256 = source.text("sha256")
    if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
        raise source.invalid(f'the field "sha256" must be 64 hexadecimal digits, not {sha256!r:.80}')
    return FileRecord(source.integer("size"), sha256)
