"""The settings of the baselines, read from a file that `make tune-baselines` writes."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from domain.errors import ArtifactError, ArtifactReason, InputNotFound
from evaluation.baselines.als import AlsSettings


@dataclass(frozen=True, slots=True)
class EaseSettings:
    """As `fit_ease` takes them."""

    regularisation: float
    weights: str = "binary"


@dataclass(frozen=True, slots=True)
class NeighbourSettings:
    """As `fit_neighbours` takes them."""

    neighbour_count: int
    similarity: str = "cosine"
    weights: str = "binary"


@dataclass(frozen=True, slots=True)
class TagSettings:
    """As `fit_tag_profiles` takes them."""

    sublinear: bool = True
    weights: str = "binary"


@dataclass(frozen=True, slots=True)
class BaselineSettings:
    """One section per baseline that has settings."""

    neighbours: NeighbourSettings
    ease: EaseSettings
    als: AlsSettings
    tag_profiles: TagSettings


Section = TypeVar("Section")


def read_settings(file: Path | None = None) -> BaselineSettings:
    """From a TOML file, or those that were tuned on the Last.fm data. Raises InputNotFound, ArtifactError(INPUT_INVALID)."""
    shown: object = file if file is not None else "tuned.toml"
    try:
        text = file.read_text("utf-8") if file else resources.files("evaluation.baselines").joinpath("tuned.toml").read_text("utf-8")
        sections = tomllib.loads(text)
    except OSError as problem:
        raise InputNotFound(shown, f"cannot be read ({problem.strerror}); give the file that `make tune-baselines` wrote") from problem
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise ArtifactError(shown, ArtifactReason.INPUT_INVALID, f"is no TOML: {problem}; write it with `make tune-baselines`") from problem
    return BaselineSettings(
        _section(shown, sections, "neighbours", NeighbourSettings),
        _section(shown, sections, "ease", EaseSettings),
        _section(shown, sections, "als", AlsSettings),
        _section(shown, sections, "tag_profiles", TagSettings),
    )


def _section(file: object, sections: Mapping[str, Any], name: str, kind: type[Section]) -> Section:
    values = sections.get(name, {})
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]  # every kind is a dataclass
    unknown = sorted(set(values) - known)
    if unknown:
        text = f'[{name}] has no setting "{unknown[0]}"; it has: {", ".join(sorted(known))}'
        raise ArtifactError(file, ArtifactReason.INPUT_INVALID, text)
    try:
        return kind(**values)
    except TypeError as problem:
        raise ArtifactError(
            file, ArtifactReason.INPUT_INVALID, f"[{name}] is incomplete: {problem}; write it with `make tune-baselines`"
        ) from problem
