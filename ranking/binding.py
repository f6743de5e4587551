"""Reads a binding: a TOML file, or JSON in the model's own metadata. Everything that is wrong is refused with what to write instead."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from domain.columns import Vocabulary
from domain.errors import ArtifactError, ArtifactReason, InputNotFound
from ranking.bound import OUTPUT, SIMILARITY, Binding, ColumnRef, DefaultValue, InputBinding
from ranking.model_file import METADATA_KEY, load_model, metadata_binding
from ranking.signature import read_signature
from ranking.skeleton import binding_skeleton

__all__ = ["Binding", "read_binding"]

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
MAX_SEQUENCE_LENGTH = 100_000  # one request's tensors stay in megabytes; a longer one is a typing error
NO_BINDING = (
    "nothing says how the model's inputs are fed; put your columns into what is printed on stdout, write it to a file, and name that with --binding "
    f'(or put the same as JSON into metadata_props["{METADATA_KEY}"])'
)


def read_binding(model: Path, binding: Path | None) -> Binding:
    """The binding in the TOML file `binding`; without one, the JSON in the model's metadata_props["earshot.binding"].

    Raises ArtifactError (BINDING_INVALID, or MODEL_... when the model itself must be read and cannot be), InputNotFound.
    """
    if binding is not None:
        return parse_binding(_read_toml(binding), str(binding), binding.parent)
    loaded = load_model(model)
    text = metadata_binding(loaded)
    if text is None:
        raise ArtifactError(model, ArtifactReason.BINDING_INVALID, NO_BINDING, example=binding_skeleton(read_signature(loaded, model)))
    return parse_binding(_read_json(text, model), f"{model} (metadata {METADATA_KEY})", None)


def _read_toml(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode())
    except OSError as problem:
        raise InputNotFound(path, f"cannot be read ({problem.strerror}); name an existing file with --binding") from problem
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as problem:
        raise ArtifactError(path, ArtifactReason.BINDING_INVALID, f"is not TOML: {problem}; correct the file") from problem


def _read_json(text: str, model: Path) -> Mapping[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as problem:
        text = f"metadata {METADATA_KEY} is not JSON: {problem}; correct it, or name a binding file with --binding"
        raise ArtifactError(model, ArtifactReason.BINDING_INVALID, text) from problem
    if not isinstance(data, dict):
        text = f"metadata {METADATA_KEY} must be a JSON object, not {type(data).__name__}; correct it, or name a binding file with --binding"
        raise ArtifactError(model, ArtifactReason.BINDING_INVALID, text)
    return data


def parse_binding(data: Mapping[str, Any], source: str, directory: Path | None) -> Binding:
    """The binding in `data`. source: for messages. directory: where vocabulary files lie; None refuses them.

    Raises ArtifactError(BINDING_INVALID).
    """
    return _Parser(source, directory).binding(data)


class _Parser:
    """Checks one binding; `source` is named in every refusal."""

    def __init__(self, source: str, directory: Path | None) -> None:
        self._source = source
        self._directory = directory

    def _refuse(self, text: str) -> NoReturn:
        raise ArtifactError(self._source, ArtifactReason.BINDING_INVALID, text)

    def binding(self, data: Mapping[str, Any]) -> Binding:
        """The whole file."""
        self._known_keys("the binding", data, ("version", "output", "objective", "inputs", "vocabularies", "defaults"))
        if data.get("version") != 1 or isinstance(data.get("version"), bool):
            self._refuse(f"version is {data.get('version', 'missing')}; this build reads version = 1")
        if ("output" in data) == ("objective" in data):
            self._refuse('give either output = "<output of the model>" or objective = { <output> = <weight>, ... }, exactly one of them')
        inputs = self._table(data, "inputs")
        if not inputs:
            self._refuse("has no [inputs.<name>]; bind every input of the model")
        vocabularies = {key: self._vocabulary(key, value) for key, value in self._named(data, "vocabularies")}
        return Binding(
            inputs=tuple(self._input(name, value) for name, value in inputs.items()),
            output=self._output(data["output"]) if "output" in data else "",
            objective=self._objective(data["objective"]) if "objective" in data else {},
            vocabularies=vocabularies,
            defaults={key: self._default(key, value, key in vocabularies) for key, value in self._named(data, "defaults")},
            source=self._source,
        )

    def _known_keys(self, where: str, data: Mapping[str, Any], known: tuple[str, ...]) -> None:
        unknown = sorted(set(data) - set(known))
        if unknown:
            self._refuse(f'{where} has the unknown key "{unknown[0]}"; known are {", ".join(known)}')

    def _table(self, data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        value = data.get(key, {})
        if not isinstance(value, dict):
            self._refuse(f"{key} must be a table, not {value!r}")
        return value

    def _named(self, data: Mapping[str, Any], key: str) -> Iterator[tuple[str, Any]]:
        """The entries of a table whose keys are full column names."""
        for name, value in self._table(data, key).items():
            try:
                ref = ColumnRef.parse(name)
            except ValueError as problem:
                self._refuse(f"[{key}]: {problem}")
            if ref.part or ref.text == SIMILARITY or ref.is_embedding:
                self._refuse(f'[{key}]: "{name}" cannot have one; name a feature column like "user.country" (dotted names need quotes)')
            yield name, value

    def _output(self, value: Any) -> str:
        if not isinstance(value, str) or not OUTPUT.fullmatch(value):
            self._refuse(f'output is {value!r}; write the name of an output of the model, like "score" or "probabilities[1]"')
        return value

    def _objective(self, value: Any) -> dict[str, float]:
        if not isinstance(value, dict) or not value:
            self._refuse(f"objective is {value!r}; write objective = {{ <output> = <weight>, ... }} with at least one output")
        for name, weight in value.items():
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight):
                self._refuse(f'objective weighs "{name}" with {weight!r}; write a finite number')
        return {self._output(name): float(weight) for name, weight in value.items()}

    def _input(self, name: str, value: Any) -> InputBinding:
        where = f"[inputs.{name}]"
        if not isinstance(value, dict):
            self._refuse(f"{where} must be a table with per and columns, not {value!r}")
        self._known_keys(where, value, ("per", "columns", "length"))
        per, columns, length = value.get("per"), value.get("columns"), value.get("length", 0)
        if per not in ("candidate", "request"):
            self._refuse(f'{where}: per is {per!r}; write "candidate" (one row per candidate) or "request" (one row per request)')
        if not isinstance(columns, list) or not columns or not all(isinstance(c, str) for c in columns):
            self._refuse(f'{where}: columns is {columns!r}; write a list of column names, like ["user.embedding", "creator.embedding"]')
        if isinstance(length, bool) or not isinstance(length, int) or not 0 <= length <= MAX_SEQUENCE_LENGTH or ("length" in value and not length):
            self._refuse(f"{where}: length is {length!r}; write how many entries of a sequence the input takes, 1 to {MAX_SEQUENCE_LENGTH}")
        return InputBinding(name, per, tuple(self._column(where, per, text) for text in columns), length)

    def _column(self, where: str, per: str, text: str) -> ColumnRef:
        try:
            ref = ColumnRef.parse(text)
        except ValueError as problem:
            self._refuse(f"{where}: {problem}")
        if per == "request" and not ref.is_request:
            self._refuse(f'{where}: "{text}" differs between candidates, but per = "request"; write per = "candidate" or remove the column')
        return ref

    def _vocabulary(self, key: str, value: Any) -> Vocabulary:
        where = f'[vocabularies] "{key}"'
        if not isinstance(value, dict):
            self._refuse(f"{where} is {value!r}; write {{ values = [...], first = 0, unknown = -1 }}")
        self._known_keys(where, value, ("values", "file", "first", "unknown"))
        if ("values" in value) == ("file" in value):
            self._refuse(f"{where}: give either values or file, exactly one of them")
        values = self._vocabulary_file(where, value["file"]) if "file" in value else value["values"]
        if not isinstance(values, list) or not values or not all(isinstance(v, str) for v in values):
            self._refuse(f"{where}: values must be a list of texts with at least one entry")
        if len(set(values)) < len(values):
            twice = next(v for i, v in enumerate(values) if v in values[:i])
            self._refuse(f'{where}: "{twice}" occurs twice; every value has one code, remove one of them')
        first, unknown = (self._code(where, name, value.get(name, default)) for name, default in (("first", 0), ("unknown", -1)))
        if first + len(values) - 1 > INT64_MAX:
            self._refuse(f"{where}: first = {first} leaves no room for {len(values)} codes in int64; write a smaller one")
        return Vocabulary(tuple(values), first, unknown)

    def _code(self, where: str, name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not INT64_MIN <= value <= INT64_MAX:
            self._refuse(f"{where}: {name} is {value!r}; write an integer")
        return value

    def _vocabulary_file(self, where: str, name: Any) -> list[str]:
        """The lines of a vocabulary file beside the binding."""
        if self._directory is None:
            self._refuse(f"{where}: a binding inside a model cannot name files; write the values themselves")
        if not isinstance(name, str) or not name or Path(name).name != name:
            self._refuse(f"{where}: file is {name!r}; write the name of a file beside the binding, without folders")
        try:
            return (self._directory / name).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as problem:
            self._refuse(f"{where}: file {self._directory / name} cannot be read as UTF-8 text ({problem}); correct it")

    def _default(self, key: str, value: Any, category: bool) -> DefaultValue:
        values = value if isinstance(value, list) else [value]
        for one in values:
            if not isinstance(one, str if category else int | float) or (isinstance(one, float) and math.isinf(one)):
                wanted = "a text, since it has a vocabulary" if category else "a finite number, true, false or nan (a text needs a vocabulary)"
                self._refuse(f'[defaults] "{key}" is {one!r}; write {wanted}')
            if isinstance(one, int) and not INT64_MIN <= one <= INT64_MAX:
                self._refuse(f'[defaults] "{key}" is {one}, which does not fit int64; write a smaller number')
        plain = tuple(int(v) if isinstance(v, bool) else v for v in values)
        return plain if isinstance(value, list) else plain[0]
