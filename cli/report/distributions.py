"""The sections on creators and users: groups, and a figure for each column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bundle.distribution import Distribution
from bundle.groups import Groups
from bundle.survey import ColumnSurvey, TableSurvey
from cli.report.markup import Content, Markup, join, tag
from cli.report.plots import Words, histogram
from cli.report.tables import shares
from cli.report.words import day, share, short, whole
from domain.columns import ColumnMeaning, Vocabulary

Vocabularies = Mapping[str, Vocabulary]


def groups(found: Groups, creator_count: int, emerging: Sequence[str]) -> Markup:
    """Tiers, markets and labels of creators."""
    parts: list[Markup] = []
    if found.tiers is not None:
        named = [(f"{name or '(no tier)'}{' (an emerging tier)' if name in emerging else ''}", count) for name, count in found.tiers]
        parts.append(shares("Tiers", "tier", named, creator_count))
    if found.markets is not None:
        caption = f"Markets: creators available in each, {whole(found.everywhere_count)} of them everywhere"
        parts.append(shares(caption, "market", sorted(found.markets), creator_count))
    if found.labels is not None:
        shown = "" if len(found.labels) == found.label_count else f", the {len(found.labels)} most frequent of {whole(found.label_count)}"
        parts.append(shares(f"Labels: creators with each{shown}", "label", found.labels, creator_count))
    absent = [name for name, there in (("tiers", found.tiers), ("markets", found.markets), ("labels", found.labels)) if there is None]
    if absent:
        parts.append(tag("p", f"The bundle has no {' and no '.join(absent)}.", class_="soft"))
    if found.named_count is not None:
        parts.append(tag("p", f"{whole(found.named_count)} creators have a name ({share(found.named_count, creator_count)})."))
    return join(parts)


def columns(table: TableSurvey, side: str, vocabularies: Vocabularies) -> Markup:
    """Norms and every column of one table."""
    sampled = table.sampled_count < table.row_count
    note = f"Read from a sample of {whole(table.sampled_count)} of {whole(table.row_count)} rows" if sampled else "Read from all rows"
    figures = [] if table.norms is None else [_figure("norm of the embedding", "", _spread(table.norms, "norm of the embedding"))]
    figures += [_column(column, f"{side}.{column.spec.name}", table.row_count, vocabularies) for column in table.columns]
    text = f"{note}, one from each of as many equal parts; values absent are counted over all rows." if sampled else f"{note}."
    return join([tag("p", text, class_="soft"), tag("div", *figures, class_="grid")])


def _column(column: ColumnSurvey, name: str, row_count: int, vocabularies: Vocabularies) -> Markup:
    spec = column.spec
    shape = {"scalar": "", "vector": f" x {spec.width}", "sequence": ", any length"}[spec.kind]
    kind = f"{spec.meaning}, {spec.dtype}{shape}; absent: {share(column.absent_count, row_count)} ({whole(column.absent_count)})"
    parts: list[Content] = []
    if column.lengths is not None:
        parts += [tag("p", "lengths"), *_spread(column.lengths, f"lengths of {name}")]
    if column.values is not None:
        words: Words = day if spec.meaning is ColumnMeaning.TIME else short
        parts += [tag("p", "values")] if column.lengths is not None else []
        parts += _spread(column.values, name, words)
    if column.codes:
        parts.append(_codes(column, vocabularies.get(name)))
    return _figure(name, kind, parts)


def _figure(name: str, kind: str, parts: Sequence[Content]) -> Markup:
    nothing = [] if parts else [tag("p", "no values to show", class_="soft")]
    return tag("figure", tag("figcaption", tag("b", name), " ", tag("span", kind, class_="soft")), *parts, *nothing)


def _spread(spread: Distribution, name: str, words: Words = short) -> list[Content]:
    low, quarter, median, three, high = (words(value) for value in spread.quantiles)
    text = f"median {median}; half between {quarter} and {three}; nine of ten between {low} and {high}; mean {words(spread.mean)}"
    return [histogram(spread, name, words), tag("p", text, class_="soft")]


def _codes(column: ColumnSurvey, vocabulary: Vocabulary | None) -> Markup:
    total = sum(count for _, count in column.codes) + column.other_count
    counts = [(_code_name(code, column, vocabulary), count) for code, count in column.codes]
    counts += [("(all others)", column.other_count)] if column.other_count else []
    return shares("sampled values", "value", counts, total)


def _code_name(code: int, column: ColumnSurvey, vocabulary: Vocabulary | None) -> str:
    if column.spec.dtype == "bool":
        return "true" if code else "false"
    if vocabulary is None:
        return str(code)
    if 0 <= code - vocabulary.first < len(vocabulary.values):
        return vocabulary.values[code - vocabulary.first]
    return f"(unknown, code {code})"
