"""Proves a compiled ranker before it is published: the served graph gives what the exported model gives, row by row, for real creators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from domain.arrays import AnyArray, FloatArray, RowArray
from domain.candidates import Candidates, Source
from domain.columns import Creators
from domain.deadline import Deadline
from domain.errors import ArtifactError, ArtifactReason, InvalidRequest
from domain.request import User
from ranking.bound import Binding
from ranking.complaint import first_line
from ranking.made_up_users import MadeUpUsers
from ranking.onnx_ranker import OnnxRanker
from ranking.open import open_described
from ranking.plan import EXPORTED_FILE, FORM_NARROWED, FORM_WHOLE, RankerDescription
from ranking.reference import Reference

COUNTS = (1, 2, 7, 200)  # candidates per probe: the smallest, an odd number, and about what serving sees
SEED = 1729  # any fixed number: the same inputs must pass or fail the same way
SAME = 1e-5  # served against exported, the same numbers in the same batch: only rounding differs; of the largest score
REORDERED_SAME = 1e-5  # the same for sums in another order, of each score, or of the mean one where a score is smaller
NARROWED_SAME = 0.5  # the same for tables in float16 and layers in int8: more is a mistake; whether the order holds is for `ranking.agree` to say
ALONE = 1e-4  # one row in batches of different sizes: matrix kernels sum in another order


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
        made_up = MadeUpUsers(self.description, self.binding, self.creators)
        reference = Reference(self.directory / EXPORTED_FILE, self.binding, self.creators, made_up.widths)
        counts = sorted({min(c, len(self.creators)) for c in COUNTS})
        probe = probe_candidates(self.creators)
        rows, similarities = probe.rows, probe.similarities
        for who, user in probe_users(made_up, rows).items():
            alone: FloatArray = np.empty(0, np.float32)
            typical = mean_size(self._expected(reference, user, rows, similarities))
            for count in counts:
                scores = self._compare(ranker, reference, user, Candidates.of(rows[:count], similarities[:count], Source.EXACT), typical)
                self._check_alone(alone, scores, who)
                alone = scores
            if not np.isfinite(alone).any():
                self._refuse(f"gives no finite score for {who} and {len(rows)} creators; check its weights and what its inputs are bound to")

    def _open(self) -> OnnxRanker:
        try:
            return open_described(self.directory, self.description, self.binding, self.creators)
        except ArtifactError as problem:
            text = f"runs as exported, but not with its inputs composed in front ({problem.text}); please report this model"
            raise ArtifactError(self.model, ArtifactReason.MODEL_UNSUPPORTED, text) from problem

    def _expected(self, reference: Reference, user: User, rows: RowArray, similarities: FloatArray) -> FloatArray:
        try:
            return reference.scores(user, rows, similarities)
        except Exception as problem:  # noqa: BLE001 - the runtime raises many types; each means that the exported model does not run as bound
            self._refuse(
                f"as exported it does not score {len(rows)} creators: {first_line(problem)}; check its shapes and what its inputs are bound to"
            )

    def _compare(self, ranker: OnnxRanker, reference: Reference, user: User, candidates: Candidates, typical: float) -> FloatArray:
        rows = candidates.rows
        expected = self._expected(reference, user, rows, candidates.similarities)
        try:
            scores = ranker.rank(user, candidates, len(rows), {}, Deadline.never(lambda: 0.0)).scores
        except InvalidRequest as problem:
            self._refuse(f"cannot be fed: {problem}")
        except Exception as problem:  # noqa: BLE001 - as above
            self._refuse(
                f"composed with its inputs it does not score {len(rows)} creators: {first_line(problem)}; check what its inputs are bound to"
            )
        expected = np.where(np.isfinite(expected), expected, np.float32(np.nan))
        worst = _worst(scores, expected, self._allowed(expected, typical))
        if worst is not None:
            self._refuse(f"served, it gives {scores[worst]:.6g} for row {rows[worst]}, as exported {expected[worst]:.6g}; please report this model")
        return scores

    def _allowed(self, expected: FloatArray, typical: float) -> AnyArray | float:
        if self.description.form == FORM_WHOLE:
            return SAME * _largest(expected)
        share = NARROWED_SAME if self.description.form == FORM_NARROWED else REORDERED_SAME
        return share * np.maximum(np.abs(expected), typical)

    def _check_alone(self, few: FloatArray, many: FloatArray, who: str) -> None:
        worst = _worst(many[: len(few)], few, ALONE * _largest(few))
        if worst is not None:
            text = f"scores a creator {few[worst]:.6g} among {len(few)} candidates and {many[worst]:.6g} among {len(many)}, for {who}"
            self._refuse(f"{text}; every row must be scored by itself: export in inference mode, without operations across the batch")

    def _refuse(self, text: str) -> NoReturn:
        raise ArtifactError(self.model, ArtifactReason.MODEL_SIGNATURE, text)


def probe_candidates(creators: Creators) -> Candidates:
    """Creators from all over the catalogue, with similarities from high to low."""
    rows = np.random.default_rng(SEED).permutation(len(creators))[: COUNTS[-1]]
    return Candidates.of(rows, np.linspace(0.9, -0.1, len(rows), dtype=np.float32), Source.EXACT)


def probe_users(made_up: MadeUpUsers, rows: RowArray) -> Mapping[str, User]:
    """Who is tried, by what messages call them."""
    users = {"a typical user": made_up.typical(rows, absent=False)}
    if made_up.binding.defaults:
        users["a user without the values that have defaults"] = made_up.typical(rows, absent=True)
    return users


def _worst(given: FloatArray, wanted: FloatArray, allowed: AnyArray | float) -> int | None:
    """The position of the difference that is furthest beyond the allowed one, or None."""
    finite = np.isfinite(wanted)
    if not np.array_equal(finite, np.isfinite(given)):
        return int(np.flatnonzero(finite != np.isfinite(given))[0])
    if not finite.any():
        return None
    excess = np.where(finite, np.abs(given.astype(np.float64) - wanted) - allowed, 0.0)
    return int(excess.argmax()) if excess.max() > 0 else None


def _largest(scores: FloatArray) -> float:
    """The size of the largest score that is finite, for differences relative to it; absolute below 1."""
    return float(np.abs(scores[np.isfinite(scores)]).max(initial=1.0))


def score_sizes(scores: FloatArray) -> AnyArray:
    """What differences of each score are relative to: its size, or the mean size of all where that is more. A score near zero is a difference of
    larger numbers, and has their rounding."""
    sizes = np.abs(scores.astype(np.float64))
    return np.maximum(np.where(np.isfinite(sizes), sizes, 0.0), mean_size(scores))


def mean_size(scores: FloatArray) -> float:
    """The mean size of those that are finite."""
    finite = np.abs(scores[np.isfinite(scores)].astype(np.float64))
    return float(finite.mean()) if len(finite) else 0.0
