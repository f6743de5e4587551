"""Where settings come from: flags, then the environment (EARSHOT_...), then a TOML file, then the defaults."""

from __future__ import annotations

import contextlib
import difflib
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from domain.errors import ConfigurationError
from server.settings import Settings, checked

PREFIX = "EARSHOT_"
CONFIG = "config"


def read_settings(flags: Mapping[str, str | bool], environment: Mapping[str, str]) -> Settings:
    """The settings from all sources, checked. `flags` by setting name, only those that were given; `config` among them names the TOML file.

    Raises ConfigurationError for unknown keys (naming the nearest known one), malformed values and contradictions.
    """
    known = {item.name: _reader(str(item.type)) for item in fields(Settings)}
    variables = {name.removeprefix(PREFIX).lower(): value for name, value in environment.items() if name.startswith(PREFIX)}
    _refuse_unknown(variables, {*known, CONFIG}, lambda name: f"{PREFIX}{name.upper()}")
    config = flags.get(CONFIG) or variables.pop(CONFIG, None)
    variables.pop(CONFIG, None)
    table = _read_table(Path(str(config))) if config else {}
    _refuse_unknown(table, known, lambda name: f'"{name}" in {config}')

    values: dict[str, Any] = {}
    for name, read in known.items():
        for source, label in ((flags, _flag(name)), (variables, f"{PREFIX}{name.upper()}"), (table, f'"{name}" in {config}')):
            if name in source:
                values[name] = read(source[name], label)
                break
    return checked(Settings(**values))


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _read_table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise ConfigurationError(f'the configuration file "{path}" cannot be read: {problem.strerror}') from problem
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise ConfigurationError(f'the configuration file "{path}" is no TOML: {problem}') from problem


def _refuse_unknown(given: Iterable[str], known: Iterable[str], label: Callable[[str], str]) -> None:
    names = sorted(known)
    for name in given:
        if name not in names:
            nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.0)[0]
            raise ConfigurationError(f"unknown setting {label(name)}; the nearest known one is {nearest}")


def _reader(type_name: str) -> Callable[[Any, str], Any]:
    readers: dict[str, Callable[[Any, str], Any]] = {
        "str": _text,
        "int": _integer,
        "float": _number,
        "bool": _switch,
        "Path | None": _path,
        "dict[str, float]": _rates,
    }
    return readers[type_name]


def _text(value: Any, label: str) -> str:
    if not isinstance(value, str):
        raise _malformed(label, value, "a text")
    return value


def _integer(value: Any, label: str) -> int:
    with contextlib.suppress(ValueError):
        if isinstance(value, str) or type(value) is int:
            return int(value)
    raise _malformed(label, value, "a whole number")


def _number(value: Any, label: str) -> float:
    with contextlib.suppress(ValueError):
        if isinstance(value, str | float) or type(value) is int:
            return float(value)
    raise _malformed(label, value, "a number")


def _switch(value: Any, label: str) -> bool:
    if isinstance(value, bool):
        return value
    switches = {"true": True, "1": True, "false": False, "0": False}
    if str(value).lower() not in switches:
        raise _malformed(label, value, "true or false")
    return switches[str(value).lower()]


def _rates(value: Any, label: str) -> dict[str, float]:
    """A table of numbers, or the same as text: name=1.5,other=2."""
    if isinstance(value, str):
        pairs = [pair.rpartition("=") for pair in value.split(",") if pair.strip()]
        value = {name.strip(): number.strip() for name, _, number in pairs}
    if not isinstance(value, dict) or "" in value:
        raise _malformed(label, value, "a table of numbers, or name=number,other=number")
    return {name: _number(number, f"{name} in {label}") for name, number in value.items()}


def _path(value: Any, label: str) -> Path:
    if not isinstance(value, (str, Path)) or not str(value):
        raise _malformed(label, value, "a path")
    return Path(value)


def _malformed(label: str, value: Any, wanted: str) -> ConfigurationError:
    return ConfigurationError(f'{label} is "{value}"; it must be {wanted}')
