"""How the inputs of a ranker are fed: the binding as values. Read from files by `ranking.binding`, stored in a bundle as binding.json."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from domain.columns import Vocabulary

SIDES = ("user", "creator", "context")
PARTS = ("present", "length", "mask")
SIMILARITY = "retrieval.similarity"
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
OUTPUT = re.compile(r"(?P<name>.+?)(\[(?P<column>[0-9]+)\])?")

DefaultValue = float | int | str | tuple[float | int | str, ...]
"""What stands in for an absent value: a number, a category, or several (vectors and sequences)."""


@dataclass(frozen=True, slots=True)
class ColumnRef:
    """One entry of an input's `columns`.

    `user.age` is side "user", name "age"; `user.age.present` has part "present"; `user.history.creator.genre` has part "creator" and of "genre".
    """

    side: str
    name: str
    part: str = ""
    of: str = ""

    @classmethod
    def parse(cls, text: str) -> ColumnRef:
        """The reference that `text` spells; ValueError, with what to write instead, when it spells none."""
        if text == SIMILARITY:
            return cls("retrieval", "similarity")
        side, *names = text.split(".")
        if side not in SIDES or not 1 <= len(names) <= 3 or not all(NAME.fullmatch(n) for n in names):
            raise ValueError(f'"{text}" is no column; write {SIMILARITY} or <side>.<name> with a side of {", ".join(SIDES)} and a lower-case name')
        if len(names) == 1:
            return cls(side, names[0])
        return cls._parse_part(text, side, names)

    @classmethod
    def _parse_part(cls, text: str, side: str, names: list[str]) -> ColumnRef:
        name, part, *of = names
        if name == "embedding":
            raise ValueError(f'"{text}" reads a part of an embedding, which has none; write "{side}.embedding"')
        if not of and part in PARTS:
            return cls(side, name, part)
        if of and part == "creator" and side != "creator":
            return cls(side, name, part, of[0])
        raise ValueError(f'"{text}" is no column; after <side>.<name> may follow .present, .length, .mask or (user, context) .creator.<column>')

    @property
    def full(self) -> str:
        """The full name of the column that is read: `user.history` for `user.history.creator.genre`."""
        return f"{self.side}.{self.name}"

    @property
    def text(self) -> str:
        """As written in the binding."""
        return ".".join(filter(None, (self.side, self.name, self.part, self.of)))

    @property
    def is_request(self) -> bool:
        """Whether its value is one for the whole request."""
        return self.side in ("user", "context")

    @property
    def is_embedding(self) -> bool:
        """Whether it is the embedding of its side."""
        return self.name == "embedding" and self.side in ("user", "creator")


@dataclass(frozen=True, slots=True)
class InputBinding:
    """How one ONNX input is fed. per: "candidate" or "request". length: entries of its sequences, 0 when it has none."""

    name: str
    per: str
    columns: tuple[ColumnRef, ...]
    length: int = 0


@dataclass(frozen=True, slots=True)
class Head:
    """One output of the model that scores are made of; column picks one of [n, c], None stands for [n] or [n, 1]."""

    text: str

    @property
    def output(self) -> str:
        """The name of the model's output."""
        return self._match["name"]

    @property
    def column(self) -> int | None:
        """The column of the output."""
        found = self._match["column"]
        return None if found is None else int(found)

    @property
    def _match(self) -> re.Match[str]:
        match = OUTPUT.fullmatch(self.text)
        assert match is not None  # texts are checked when a binding is read
        return match


@dataclass(frozen=True)
class Binding:
    """The whole binding. Exactly one of `output` and `objective` is given.

    objective: head (an output as in `output`) -> default weight. vocabularies and defaults by full name. source: the file it came from, for messages.
    """

    inputs: tuple[InputBinding, ...]
    output: str = ""
    objective: Mapping[str, float] = field(default_factory=dict)
    vocabularies: Mapping[str, Vocabulary] = field(default_factory=dict)
    defaults: Mapping[str, DefaultValue] = field(default_factory=dict)
    source: str = field(default="binding.json", compare=False)

    @cached_property
    def references(self) -> tuple[ColumnRef, ...]:
        """Every column of every input, in order."""
        return tuple(ref for one in self.inputs for ref in one.columns)

    @property
    def heads(self) -> tuple[Head, ...]:
        """The outputs that scores are made of: one, or those of the objective in its order."""
        return tuple(Head(text) for text in (self.objective or (self.output,)))

    @property
    def bound(self) -> frozenset[str]:
        """Full names of the feature columns that the ranker reads: no embeddings, no similarity; those behind `.creator.` included."""
        own = {r.full for r in self.references if not r.is_embedding and r.side != "retrieval"}
        return frozenset(own | {f"creator.{r.of}" for r in self.references if r.of not in ("", "embedding")})

    @property
    def creator_sequences(self) -> frozenset[str]:
        """Full names of the columns that hold creator ids."""
        return frozenset(r.full for r in self.references if r.part == "creator")

    @property
    def sequences(self) -> frozenset[str]:
        """Full names of the columns that are read entry by entry, and so are sequences even where every value has the same length."""
        by_length = {r.full for i in self.inputs if i.length for r in i.columns}
        return frozenset(by_length | {r.full for r in self.references if r.part in ("length", "mask", "creator")})

    @property
    def nullable(self) -> frozenset[str]:
        """Full names that may be null: those with a default, and those of which only `.present` is read."""
        read = {r.full for r in self.references if r.part != "present"} | {f"creator.{r.of}" for r in self.references if r.of}
        return frozenset(self.defaults) | (self.bound - read)

    def to_json(self) -> dict[str, Any]:
        """As a JSON value; `from_json` gives an equal binding."""
        inputs = {i.name: {"per": i.per, "columns": [c.text for c in i.columns], "length": i.length} for i in self.inputs}
        vocabularies = {k: {"values": list(v.values), "first": v.first, "unknown": v.unknown} for k, v in self.vocabularies.items()}
        defaults = {k: encode_value(v) for k, v in self.defaults.items()}
        outputs: dict[str, Any] = {"objective": dict(self.objective)} if self.objective else {"output": self.output}
        return {"version": 1, **outputs, "inputs": inputs, "vocabularies": vocabularies, "defaults": defaults}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Binding:
        """The binding that `to_json` wrote. It was checked before it was written: anything else raises KeyError, TypeError or ValueError."""
        return cls(
            tuple(
                InputBinding(name, i["per"], tuple(ColumnRef.parse(c) for c in i["columns"]), int(i["length"])) for name, i in data["inputs"].items()
            ),
            data.get("output", ""),
            {k: float(v) for k, v in data.get("objective", {}).items()},
            {k: Vocabulary(tuple(v["values"]), int(v["first"]), int(v["unknown"])) for k, v in data["vocabularies"].items()},
            {k: decode_value(v) for k, v in data["defaults"].items()},
        )


def encode_value(value: DefaultValue) -> Any:
    """A default as a JSON value. JSON has no NaN: it becomes {"number": "nan"}."""
    if isinstance(value, tuple):
        return [encode_value(v) for v in value]
    return {"number": str(value)} if isinstance(value, float) and not math.isfinite(value) else value


def decode_value(value: Any) -> DefaultValue:
    """The default that `encode_value` wrote."""
    if isinstance(value, list):
        return tuple(decode_value(v) for v in value)  # type: ignore[misc]  # lists in lists are never written
    decoded: DefaultValue = float(value["number"]) if isinstance(value, dict) else value
    return decoded
