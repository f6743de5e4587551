"""The binding as TOML, for people: the same as in the model's metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def binding_text(binding: Mapping[str, Any]) -> str:
    """The file's content; `tomllib` reads the binding back from it."""
    lines = [f"{name} = {_value(value)}" for name, value in binding.items() if not isinstance(value, dict)]
    for name, bound in binding["inputs"].items():
        lines += ["", f"[inputs.{name}]", *(f"{key} = {_listed(value)}" for key, value in bound.items())]
    for name in ("objective", "vocabularies", "defaults"):
        if binding.get(name):
            lines += ["", f"[{name}]", *(f"{json.dumps(key)} = {_value(value)}" for key, value in binding[name].items())]
    return "\n".join(lines) + "\n"


def _listed(value: Any) -> str:
    """Lists one entry per line: they are read, and compared with what the model takes."""
    return "[\n" + "".join(f"    {_value(entry)},\n" for entry in value) + "]" if isinstance(value, list) else _value(value)


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(entry)}" for key, entry in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_value(entry) for entry in value) + "]"
    return json.dumps(value, ensure_ascii=False)  # JSON's numbers, truths and texts are TOML's
