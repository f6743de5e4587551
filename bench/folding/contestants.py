"""One ranker three times: as a plain server runs the exported file, as the build composes it whole, and in the form that the build serves."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort

from bench.assembly import Ask, Assembler, lay_out
from bench.folding.catalogue import SEED, Catalogue
from bench.question import user_id
from bench.rankers.shape import Shape
from bench.raw import one_thread_session
from domain.arrays import FloatArray, RowArray
from domain.candidates import Candidates, Ranked, Source
from domain.deadline import Clock, Deadline
from domain.request import User
from domain.stages import Progress
from ranking.binding import read_binding
from ranking.compile import CompileOptions, RankerSource, compile_ranker
from ranking.load import load_ranker
from ranking.onnx_ranker import OnnxRanker
from ranking.open import start_ranker
from ranking.plan import RankerDescription

TOP_COUNT = 20
NEVER = Deadline.never(lambda: 0.0)


@dataclass(frozen=True, slots=True)
class Built:
    """A compiled ranker. source: the exported model; directory: what the build made of it. narrow: whether it was asked for a narrowed form."""

    shape: Shape
    source: Path
    directory: Path
    description: RankerDescription
    narrow: bool = False

    @property
    def bytes_per_creator(self) -> int:
        """Of the tables that it keeps beside the catalogue's own columns."""
        return sum(int(np.prod(table.shape[1:])) * np.dtype(table.dtype).itemsize for table in self.description.tables if table.file)


def build_ranker(shape: Shape, catalogue: Catalogue, directory: Path, progress: Progress, clock: Clock | None, narrow: bool = False) -> Built:
    """Write the model and its binding into `directory`, which is empty, and compile them as `earshot build` does.

    clock: in seconds, to choose the faster form with; None takes the folded one wherever it is proved. narrow: as `earshot build --narrow`."""
    source, binding, target = directory / "ranker.onnx", directory / "binding.toml", directory / "built"
    shape.write(source, np.random.default_rng(SEED))
    binding.write_text(shape.binding)
    target.mkdir()
    brought = RankerSource(source, read_binding(source, binding), catalogue.creators, catalogue.user_columns, catalogue.users.users)
    description = compile_ranker(brought, target, progress, CompileOptions(clock, len(os.sched_getaffinity(0)), narrows=narrow))
    return Built(shape, source, target, description, narrow)


class ExportedRanker:
    """The exported model over inputs that are assembled in NumPy."""

    def __init__(self, built: Built, catalogue: Catalogue) -> None:
        self._assembler = Assembler(lay_out(built.shape.inputs, catalogue.creators, catalogue.users.users))
        self._session: ort.InferenceSession = one_thread_session(built.source)
        self._outputs = list(built.shape.heads)
        self._weights = [np.float32(weight) for weight in built.shape.heads.values()]

    def rank(self, ask: Ask) -> tuple[FloatArray, RowArray]:
        """(scores [n], positions of the best 20)."""
        outputs = self._session.run(self._outputs, self._assembler.feeds(ask))
        scores = outputs[0].ravel() if len(outputs) == 1 else self._weighed(outputs)
        top = np.argpartition(scores, -TOP_COUNT)[-TOP_COUNT:]
        return scores, top[np.argsort(-scores[top])]

    def _weighed(self, outputs: list[FloatArray]) -> FloatArray:
        total: FloatArray = np.sum([weight * output.ravel() for weight, output in zip(self._weights, outputs, strict=True)], axis=0)
        return total


class BuiltRanker:
    """The ranker stage as the engine calls it. whole: in the whole form, as `--ranker-form whole` serves it."""

    def __init__(self, built: Built, catalogue: Catalogue, whole: bool) -> None:
        loaded = load_ranker(built.directory, built.description.to_json(), catalogue.creators, whole)
        self._ranker: OnnxRanker = start_ranker(loaded, catalogue.creators)

    def rank(self, user: User, candidates: Candidates) -> Ranked:
        """Scores and the best 20."""
        return self._ranker.rank(user, candidates, TOP_COUNT, {}, NEVER)


def asker_of(ask: Ask, catalogue: Catalogue) -> User:
    """Who asks, looked up."""
    found = catalogue.users.look_up(user_id(ask.user_row), NEVER)
    assert found is not None, "the catalogue lists every user that is asked for"
    context = {column.partition(".")[2]: value for column, value in ask.context.items()}
    return User(found.user_id, found.embedding, found.features, context)


def candidates_of(ask: Ask) -> Candidates:
    """The candidates as stage 1 hands them on."""
    return Candidates.of(ask.rows, ask.similarities, Source.INDEX)
