"""A catalogue of a few creators and engines that answer as told, for tests of the edge."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np

from domain.candidates import Removed
from domain.columns import Column, ColumnKind, ColumnSpec, Creators
from domain.diagnosis import CostLine, Diagnosis
from domain.slate import Plan, Profile, Recommended, Slate, Stage, StageRecord
from engine.cost_model import CostModel


def creators(ids=("a", "b", "ü"), names=("Anna", "", "Özil")) -> Creators:
    """A catalogue with ids and names."""
    encoded = [name.encode() for name in names or ()]
    offsets = np.cumsum([0, *map(len, encoded)]).astype(np.int64)
    column = Column(ColumnSpec("name", ColumnKind.SEQUENCE, "uint8", 0), np.frombuffer(b"".join(encoded) or b"\0", np.uint8), offsets)
    order = np.arange(len(ids), dtype=np.int64)
    table = np.array([i.encode() for i in ids])
    ones = np.ones(len(ids), np.float32)
    return Creators(table, order, order, ones[:, None], ones, {}, None, ("",), column if names else None, None)


def recommended(rows=(2, 0), scores=(0.5, float("nan")), **fields) -> Recommended:
    """An answer with one removed creator."""
    served = np.array(rows, np.int64)
    slate = Slate(served, np.array(scores, np.float32), np.linspace(1, 0, len(rows), dtype=np.float32), considered=served)
    answer = {
        "slate": slate,
        "removed": Removed(np.array([1]), np.array([3], np.uint8)),
        "degradations": (),
        "records": (StageRecord(Stage.RETRIEVE, 0.002, 3, 3), StageRecord(Stage.RANK, 0.004, 2, 2)),
        "plan": Plan(3, 2, 0.125, 0.020, 4),
        "profile": Profile(),
        "receipt": "receipt",
        "scoring_form": "whole",
        "retrieval_method": "index",
        "retrieved_count": len(rows) + 1,
        "ranked_count": 2,
        "duration_s": 0.007,
    }
    return Recommended(**{**answer, **fields})


DIAGNOSIS = Diagnosis((CostLine(Stage.RANK, "", 0.001, 1e-5, 0.5, 0.006), CostLine(None, "", 0.0001, 0.0, 1.0, 0.0002)), 0.99, "folded", 0.25)


class ToldEngine:
    """Answers every request with what `act(request, terms)` returns or raises."""

    def __init__(self, act) -> None:
        self.recommend = act
        self.diagnose = lambda _: DIAGNOSIS
        self.costs, self.ways, self.clock = CostModel(), {}, time.monotonic
        self.creators = creators()
        self.bundle = SimpleNamespace(manifest=SimpleNamespace(version="v1"))
