"""`earshot inspect --html`: everything that can be said of a bundle without loading its index or its ranker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bundle.open import Bundle, check_tables, open_bundle
from bundle.survey import TablesSurvey, survey_files, survey_tables
from engine.golden import FILE_NAME
from ranking.bound import Binding
from ranking.fold_report import read_report
from ranking.load import read_ranker
from ranking.plan import RankerDescription
from retrieval.description import IndexDescription


@dataclass(frozen=True, slots=True)
class RankerSurvey:
    """One ranker, as values: what the build made of it, and how its inputs are fed."""

    description: RankerDescription
    binding: Binding
    report: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BundleSurvey:
    """A bundle from outside. files: bytes by path, the manifest included. golden_count: requests that every start proves."""

    bundle: Bundle
    tables: TablesSurvey
    indexes: Mapping[str, IndexDescription]
    rankers: Mapping[str, RankerSurvey]
    golden_count: int
    files: Mapping[str, int]


def survey(path: Path) -> BundleSurvey:
    """Survey the bundle in a directory. Its tables are checked first, so that figures are never read from a broken one; digests are not.

    Raises ArtifactError or InputNotFound.
    """
    bundle = open_bundle(path)
    check_tables(bundle)
    manifest = bundle.manifest
    rankers = {name: _ranker(path / "rankers" / name, description) for name, description in manifest.rankers.items()}
    return BundleSurvey(
        bundle=bundle,
        tables=survey_tables(bundle),
        indexes={name: IndexDescription.from_json(description) for name, description in manifest.indexes.items()},
        rankers=rankers,
        golden_count=_line_count(path / FILE_NAME),
        files=survey_files(bundle),
    )


def _ranker(directory: Path, description: Mapping[str, Any]) -> RankerSurvey:
    return RankerSurvey(*read_ranker(directory, description), read_report(directory))


def _line_count(path: Path) -> int:
    if not path.is_file():
        return 0
    with path.open("rb") as file:
        return sum(1 for _ in file)
