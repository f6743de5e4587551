"""Proves a compiled ranker before it is published: the served graph gives what the exported model gives, row by row, for real creators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from domain.arrays import FloatArray, RowArray
from domain.candidates import Candidates, Source
from domain.columns import ColumnKind, ColumnMeaning, ColumnSpec, Creators, FeatureArray
from domain.deadline import Deadline
from domain.errors import ArtifactError, ArtifactReason, InvalidRequest
from domain.request import User
from ranking.bound import Binding
from ranking.complaint import first_line
from ranking.onnx_ranker import OnnxRanker
from ranking.open import open_ranker
from ranking.plan import EXPORTED_FILE, FORM_WHOLE, RankerDescription
from ranking.reference import Reference

COUNTS = (1, 2, 7, 200)  # candidates per probe: the smallest, an odd number, and about what serving sees
SEED = 1729  # any fixed number: the same inputs must pass or fail the same way
SAME = 1e-5  # served against exported, the same numbers in the same batch: only rounding differs; of the largest score
REORDERED_SAME = 2e-6  # the same for sums in another order, of each score: they must not be told from the whole form, which is there to fall back on
ALONE = 1e-4  # one row in batches of different sizes: matrix kernels sum in another order
AS_OF_TIME_S = 1_700_000_000


@dataclass(frozen=True)
class Proof:
    """What is compared. model: the file as the team named it, for messages."""

    model: Path
    directory: Path
    description: RankerDescription
    binding: Binding
    creators: Creators

    def run(self) -> None:
        """Raise ArtifactError(MODEL_SIGNATURE) unless served and exported model agree for made-up users, and rows do not depend on each other."""
        ranker = self._open()
        widths = {f"{side}.{s.name}": s.width for side, specs in self._specs().items() for s in specs}
        reference = Reference(self.directory / EXPORTED_FILE, self.binding, self.creators, widths)
        counts = sorted({min(c, len(self.creators)) for c in COUNTS})
        rows = np.random.default_rng(SEED).permutation(len(self.creators))[: counts[-1]]
        similarities = np.linspace(0.9, -0.1, len(rows), dtype=np.float32)
        users = {"a typical user": self._user(rows, absent=False)}
        if self.binding.defaults:
            users["a user without the values that have defaults"] = self._user(rows, absent=True)
        for who, user in users.items():
            alone: FloatArray = np.empty(0, np.float32)
            for count in counts:
                scores = self._compare(ranker, reference, user, rows[:count], similarities[:count])
                self._check_alone(alone, scores, who)
                alone = scores
            if not np.isfinite(alone).any():
                self._refuse(f"gives no finite score for {who} and {len(rows)} creators; check its weights and what its inputs are bound to")

    def _open(self) -> OnnxRanker:
        try:
            return open_ranker(self.directory, self.description.to_json(), self.creators)
        except ArtifactError as problem:
            text = f"runs as exported, but not with its inputs composed in front ({problem.text}); please report this model"
            raise ArtifactError(self.model, ArtifactReason.MODEL_UNSUPPORTED, text) from problem

    def _specs(self) -> Mapping[str, tuple[ColumnSpec, ...]]:
        return {"user": self.description.user, "context": self.description.context}

    def _compare(self, ranker: OnnxRanker, reference: Reference, user: User, rows: RowArray, similarities: FloatArray) -> FloatArray:
        try:
            expected = reference.scores(user, rows, similarities)
        except Exception as problem:  # noqa: BLE001 - the runtime raises many types; each means that the exported model does not run as bound
            self._refuse(
                f"as exported it does not score {len(rows)} creators: {first_line(problem)}; check its shapes and what its inputs are bound to"
            )
        try:
            candidates = Candidates.of(rows, similarities, Source.EXACT)
            scores = ranker.rank(user, candidates, len(rows), {}, Deadline.never(lambda: 0.0)).scores
        except InvalidRequest as problem:
            self._refuse(f"cannot be fed: {problem}")
        except Exception as problem:  # noqa: BLE001 - as above
            self._refuse(
                f"composed with its inputs it does not score {len(rows)} creators: {first_line(problem)}; check what its inputs are bound to"
            )
        expected = np.where(np.isfinite(expected), expected, np.float32(np.nan))
        whole = self.description.form == FORM_WHOLE
        worst = _worst(scores, expected, SAME * _largest(expected) if whole else REORDERED_SAME * _at_least_one(expected))
        if worst is not None:
            self._refuse(f"served, it gives {scores[worst]:.6g} for row {rows[worst]}, as exported {expected[worst]:.6g}; please report this model")
        return scores

    def _check_alone(self, few: FloatArray, many: FloatArray, who: str) -> None:
        worst = _worst(many[: len(few)], few, ALONE * _largest(few))
        if worst is not None:
            text = f"scores a creator {few[worst]:.6g} among {len(few)} candidates and {many[worst]:.6g} among {len(many)}, for {who}"
            self._refuse(f"{text}; every row must be scored by itself: export in inference mode, without operations across the batch")

    def _user(self, rows: RowArray, absent: bool) -> User:
        """Someone whose every value is moderate. absent: leave out what has a default."""
        features, context = (
            {s.name: self._value(f"{side}.{s.name}", s, rows) for s in specs if not (absent and f"{side}.{s.name}" in self.binding.defaults)}
            for side, specs in self._specs().items()
        )
        context["as_of_time"] = np.int64(AS_OF_TIME_S)
        return User("", np.array(self.creators.embeddings[rows[0]]), features, context)

    def _value(self, full: str, spec: ColumnSpec, rows: RowArray) -> FeatureArray:
        dtype = np.dtype(spec.dtype)
        vocabulary = self.binding.vocabularies.get(full)
        number = 0 if dtype.kind in "iub" else 0.5
        one: np.generic = dtype.type(vocabulary.first if vocabulary else AS_OF_TIME_S if spec.meaning is ColumnMeaning.TIME else number)
        if spec.kind is ColumnKind.SCALAR:
            return one
        if spec.meaning is ColumnMeaning.CREATOR:
            return np.array(rows[:3])
        return np.full(3 if spec.kind is ColumnKind.SEQUENCE else spec.width, one)

    def _refuse(self, text: str) -> NoReturn:
        raise ArtifactError(self.model, ArtifactReason.MODEL_SIGNATURE, text)


def _worst(given: FloatArray, wanted: FloatArray, allowed: FloatArray | float) -> int | None:
    """The position of the difference that is furthest beyond the allowed one, or None."""
    finite = np.isfinite(wanted)
    if not np.array_equal(finite, np.isfinite(given)):
        return int(np.flatnonzero(finite != np.isfinite(given))[0])
    if not finite.any():
        return None
    excess = np.where(finite, np.abs(given.astype(np.float64) - wanted) - allowed, 0.0)
    return int(excess.argmax()) if excess.max() > 0 else None


def _at_least_one(scores: FloatArray) -> FloatArray:
    """The size of each score, for differences relative to it; absolute below 1."""
    return np.maximum(np.abs(scores), 1.0)


def _largest(scores: FloatArray) -> float:
    """The same of the largest score that is finite."""
    return float(_at_least_one(scores[np.isfinite(scores)]).max(initial=1.0))
