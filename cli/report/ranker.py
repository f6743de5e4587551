"""The section on a ranker: what it reads, and the form in which it is served."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cli.report.markup import Content, Markup, join, tag
from cli.report.tables import facts, table
from cli.report.words import whole
from engine.survey import RankerSurvey
from ranking import fold_report
from ranking.bound import Binding, InputBinding

FORMS = {
    "whole": "the model runs as it was exported, for every candidate",
    "split": "what depends on the request alone is computed once per request",
    "folded": "what depends on the request alone is computed once per request, what depends on creators alone was computed at build",
    "narrowed": "folded, with what was computed of creators in float16, dense layers in int8, or both",
}
_SHOWN = 40  # categories of a vocabulary; the file has them all


def ranker(name: str, found: RankerSurvey) -> Markup:
    """One ranker."""
    description, binding = found.description, found.binding
    objective = " + ".join(f"{weight:g} {head}" for head, weight in description.objective.items())
    form = FORMS.get(description.form)
    served: list[tuple[str, Content]] = [
        ("form", f"{description.form}{f': {form}' if form else ''}"),
        ("score", objective or binding.output),
        ("tables", "; ".join(f"{' x '.join(map(whole, one.shape))} {one.dtype}" for one in description.tables) or "none"),
    ]
    served += [(key.replace("_", " "), _plain(value)) for key, value in description.details.items()]
    parts = [tag("h3", f"Ranker {name}"), _inputs(binding), facts("How it is served", served)]
    parts += _folding(found.report)
    if binding.vocabularies:
        parts.append(_vocabularies(binding))
    return join(parts)


def _folding(report: Mapping[str, Any]) -> list[Markup]:
    stored, joins = fold_report.tables(report), fold_report.joins(report)
    parts = [facts("What folding made of it", fold_report.facts(report))]
    if stored:
        parts.append(table("What is gathered of creators", ("table", "per creator", "why"), stored))
    if joins:
        headings = ("step", "why", "operations per candidate behind it", "share of the work")
        parts.append(table("Where the sides join", headings, joins, numbers=frozenset({2, 3})))
    return parts


def _inputs(binding: Binding) -> Markup:
    rows = [(one.name, f"one row per {one.per}", _columns(one, binding)) for one in binding.inputs]
    return table("What the ranker reads", ("input of the model", "fed with", "columns in order; what stands in for an absent value"), rows)


def _columns(one: InputBinding, binding: Binding) -> Markup:
    newest = f" (the newest {one.length})" if one.length else ""
    return join([tag("div", tag("code", ref.text), newest, tag("span", _default(ref.full, binding), class_="soft")) for ref in one.columns])


def _default(full_name: str, binding: Binding) -> str:
    if full_name not in binding.defaults:
        return ""
    value = binding.defaults[full_name]
    return f" absent: {_plain(list(value)) if isinstance(value, tuple) else _plain(value)}"


def _vocabularies(binding: Binding) -> Markup:
    rows = []
    for name, known in binding.vocabularies.items():
        more = f", and {whole(len(known.values) - _SHOWN)} more" if len(known.values) > _SHOWN else ""
        rows.append((name, whole(len(known.values)), str(known.first), str(known.unknown), f"{', '.join(known.values[:_SHOWN])}{more}"))
    return table("Vocabularies", ("column", "values", "first code", "any other", "in order"), rows, numbers=frozenset({1, 2, 3}))


def _plain(value: object) -> str:
    """A value of JSON as a person would write it; of objects, pairs."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key or 'ai.onnx'}: {_plain(one)}" for key, one in value.items()) or "none"
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False, default=str)
