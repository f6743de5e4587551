"""JSON objects whose every field is checked: no duplicate keys, no NaN, no wrong types. Keys that nobody asks for are ignored."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn

from domain.errors import ArtifactError, ArtifactReason


@dataclass(frozen=True, slots=True)
class JsonObject:
    """One object with typed access. A field that is absent or of another type raises ArtifactError with `reason`, naming the field."""

    values: dict[str, object]
    file: object
    reason: ArtifactReason
    where: str = ""

    def text(self, name: str) -> str:
        """A string."""
        value = self._get(name)
        return value if isinstance(value, str) else self._refuse(name, "a string", value)

    def integer(self, name: str, least: int = 0) -> int:
        """A whole number, at least `least`."""
        value = self._get(name)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            self._refuse(name, f"a whole number of at least {least}", value)
        return value

    def number(self, name: str) -> float:
        """A finite number."""
        value = self._get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            self._refuse(name, "a finite number", value)
        return float(value)

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings."""
        value = self._get(name)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self._refuse(name, "a list of strings", value)
        return tuple(value)

    def child(self, name: str) -> JsonObject:
        """An object."""
        return self._object(name, self._get(name))

    def children(self, name: str) -> list[JsonObject]:
        """A list of objects."""
        value = self._get(name)
        if not isinstance(value, list):
            self._refuse(name, "a list of objects", value)
        return [self._object(f"{name}[{i}]", item) for i, item in enumerate(value)]

    def named_children(self, name: str) -> dict[str, JsonObject]:
        """An object of objects."""
        outer = self.child(name)
        return {key: outer.child(key) for key in outer.values}

    def invalid(self, text: str) -> ArtifactError:
        """The error to raise for this object."""
        return ArtifactError(self.file, self.reason, f"{self.where}: {text}" if self.where else text)

    def _get(self, name: str) -> object:
        if name not in self.values:
            raise self.invalid(f'the field "{name}" is missing')
        return self.values[name]

    def _object(self, name: str, value: object) -> JsonObject:
        if not isinstance(value, dict):
            self._refuse(name, "an object", value)
        return JsonObject(value, self.file, self.reason, f"{self.where}.{name}" if self.where else name)

    def _refuse(self, name: str, wanted: str, value: object) -> NoReturn:
        raise self.invalid(f'the field "{name}" must be {wanted}, not {value!r:.80}')


def parse_object(data: bytes, file: object, reason: ArtifactReason) -> JsonObject:
    """The object that `data` holds, UTF-8 JSON. Anything else raises ArtifactError(file, reason)."""
    try:
        value = json.loads(data.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError:
        raise ArtifactError(file, reason, "is nested too deeply; build the bundle again") from None
    except ValueError as error:
        raise ArtifactError(file, reason, f"is not valid JSON: {error}; build the bundle again") from None
    if not isinstance(value, dict):
        raise ArtifactError(file, reason, f"holds {type(value).__name__} where an object must be; build the bundle again")
    return JsonObject(value, file, reason)


def to_bytes(values: dict[str, object]) -> bytes:
    """Deterministic JSON: keys sorted, finite numbers only, a newline at the end."""
    return (json.dumps(values, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _unique(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    values: dict[str, object] = {}
    for key, value in pairs:
        if key in values:
            raise ValueError(f"the key {key!r:.80} is given twice")
        values[key] = value
    return values


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no number")
