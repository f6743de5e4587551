"""The creators' part of a folded ranker: what it computes of a creator alone. The build runs it over the catalogue, live changes over single rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort

from domain.arrays import AnyArray
from domain.columns import Creators
from ranking.creator_columns import pack_columns
from ranking.plan import CreatorPartPlan, TableInput
from ranking.session import open_session

LEAST_ROWS = 16
"""Rows that the model runs with at least: few take other kernels than many, which round differently, and a row is to be the same among any number."""


@dataclass(frozen=True)
class CreatorPart:
    """Computes rows of tables. `compute` may run on several threads at a time. tables: what it gives, in order."""

    plan: CreatorPartPlan
    tables: Sequence[TableInput]
    session: ort.InferenceSession

    @classmethod
    def open(cls, path: Path, plan: CreatorPartPlan, tables: Sequence[TableInput], threads: int = 1) -> CreatorPart:
        """The part in the file at `path`. tables: of the ranker's description; those that the part does not compute are left out."""
        computed = {table.name: table for table in tables}
        return cls(plan, [computed[name] for name in plan.tables], open_session(path, threads=threads).session)

    def compute(self, creators: Creators, rows: tuple[int, int]) -> list[AnyArray]:
        """The rows of each table for the creators from rows[0] to before rows[1]. Raises ArtifactError for a value that does not fit."""
        count = rows[1] - rows[0]
        feeds = {one.name: _at_least(pack_columns(creators, one.columns, one.dtype, one.length, rows)) for one in self.plan.inputs}
        with np.errstate(over="ignore"):  # what a narrower table does not hold is infinite there; the proof sees it
            computed = self.session.run(list(self.plan.tables), feeds)
            return [values[:count].astype(table.dtype, copy=False) for values, table in zip(computed, self.tables, strict=True)]


def _at_least(values: AnyArray) -> AnyArray:
    """The same rows, and the last one again until there are enough."""
    missing = LEAST_ROWS - len(values)
    return values if missing <= 0 else np.concatenate([values, np.repeat(values[-1:], missing, axis=0)])
