"""The ranker stage: one call of the served graph scores all candidates and finds the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from functools import lru_cache
from math import isfinite
from operator import sub

import numpy as np
import onnxruntime as ort

from domain.arrays import AnyArray, FloatArray, RowArray
from domain.candidates import Candidates, Ranked
from domain.columns import Creators, InputSchema
from domain.deadline import Deadline
from domain.errors import ConfigurationError
from domain.request import User
from ranking.fill import RequestFiller
from ranking.order import order_with_unscored
from ranking.plan import RankerDescription
from ranking.session import ServedSession
from ranking.settle import Settler


class OnnxRanker:
    """A `domain.stages.Ranker`. Immutable and safe to call from several threads at a time; they share one session.

    The graph finds the best candidates; near ties among them, or any score that is not finite, send the whole order through NumPy. Sorting candidates
    by id first, so that the graph breaks ties itself, cost more on every request than this does on the few that have ties.
    """

    def __init__(
        self,
        served: ServedSession,
        description: RankerDescription,
        creators: Creators,
        schema: InputSchema,
        tables: Mapping[str, ort.OrtValue],
    ) -> None:
        self.served = served
        self.description = description
        self._run = served.run
        self._schema = schema
        self._id_ranks = np.asarray(creators.id_ranks)
        self._fillers = tuple(RequestFiller(r, creators) for r in description.requests)
        self._tables = dict(tables)
        self._outputs = [description.scores, description.best, description.top]
        self._rows, self._top_count = description.rows, description.top_count
        self._similarities = description.similarities
        self._default_weights = _weights(description.objective, description.objective)
        self.settler: Settler | None = None

    def settled_by(self, whole: OnnxRanker, near: float) -> OnnxRanker:
        """The same ranker, with near ties in the order of its whole form: without, only equal scores are ties."""
        settled = copy(self)
        settled.settler = Settler(whole.score, near, self.description.objective)
        return settled

    @property
    def schema(self) -> InputSchema:
        """What callers may send for this ranker."""
        return self._schema

    @property
    def heads(self) -> Sequence[str]:
        """The names that an objective may weigh; empty for a ranker with a single output."""
        return tuple(self.description.objective)

    def check_objective(self, objective: Mapping[str, float]) -> None:
        """Raise ConfigurationError when an objective weighs a head that the ranker does not have."""
        unknown = [name for name in objective if name not in self.description.objective]
        if unknown:
            known = ", ".join(self.heads) or "none, it has a single output"
            raise ConfigurationError(f'the objective weighs "{unknown[0]}", which the ranker does not have; its heads are: {known}')

    def rank(
        self,
        user: User,
        candidates: Candidates,
        top_count: int,
        objective: Mapping[str, float],
        deadline: Deadline,  # noqa: ARG002 - the planner has looked at it; one native call cannot be cut short
    ) -> Ranked:
        """As in `domain.stages.Ranker`. objective: weight per head, 0 for heads that it does not name; empty: the binding's own.

        Raises InvalidRequest when a value that the model reads is absent and has no default, or does not fit.
        """
        count = len(candidates)
        if not count:
            return Ranked(candidates, np.empty(0, np.float32), np.empty(0, np.int64), self.description.form)
        # one more than wanted: whether the last one is tied decides where it stands
        scores, best, top = self._run(self._outputs, self.feeds(user, candidates, min(top_count + 1, count), objective), None)
        best_scores = best.tolist()  # a page is short: what NumPy takes for two calls is more than for all of this
        near = self.settler.within_of(objective) if self.settler is not None else 0.0
        # the least of all is NaN where any is, and the best one is the greatest where none is
        if isfinite(np.minimum.reduce(scores)) and isfinite(best_scores[0]) and _far_apart(best_scores, near):
            return Ranked(candidates, scores, top[:top_count], self.description.form, all_finite=True)
        scores = np.where(np.isfinite(scores), scores, np.float32(np.nan))
        if self.settler is not None:
            scores = self.settler.settle(scores, user, candidates, top_count, objective)
        order = order_with_unscored(scores, candidates.similarities, self._id_ranks[candidates.rows])
        return Ranked(candidates, scores, order[:top_count], self.description.form)

    def score(self, user: User, candidates: Candidates, objective: Mapping[str, float]) -> FloatArray:
        """The scores alone: float32 [n] for n >= 1 candidates. Arguments and InvalidRequest as of `rank`."""
        scores: FloatArray = self._run(self._outputs[:1], self.feeds(user, candidates, 1, objective), None)[0]
        return scores

    def feeds(self, user: User, candidates: Candidates, top_count: int, objective: Mapping[str, float]) -> dict[str, object]:
        """What the served graph takes for this request, by input name. Arguments and InvalidRequest as of `rank`, but for 1 to n best ones."""
        feeds: dict[str, object] = dict(self._tables)
        for filler in self._fillers:
            feeds[filler.name] = filler.fill(user)
        feeds[self._rows] = candidates.rows
        feeds[self._top_count] = _counts(top_count)
        if self._similarities:
            feeds[self._similarities] = candidates.similarities[:, None]  # a column, without copying
        if self.description.weights:
            feeds[self.description.weights] = _weights(self.description.objective, objective) if objective else self._default_weights
        return feeds


def _far_apart(scores: list[float], near: float) -> bool:
    """Whether no two neighbours of descending scores are within `near`."""
    return all(map(near.__lt__, map(sub, scores, scores[1:])))


@lru_cache(maxsize=256)  # page sizes: a service asks for a few
def _counts(count: int) -> RowArray:
    return np.array([count], np.int64)


def _weights(heads: Mapping[str, float], objective: Mapping[str, float]) -> FloatArray:
    return np.array([objective.get(head, 0.0) for head in heads], np.float32)


def bind_tables(description: RankerDescription, arrays: Mapping[str, AnyArray], device: str) -> dict[str, ort.OrtValue]:
    """The tables as the session takes them, by input name. On the CPU they are the given arrays, not copies; on a GPU copied once."""
    kind = "cuda" if device == "cuda" else "cpu"
    return {t.name: ort.OrtValue.ortvalue_from_numpy(arrays[t.name], kind, 0) for t in description.tables}
