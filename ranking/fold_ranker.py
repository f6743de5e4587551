"""Chooses the form in which a ranker is served: folded forms first, the most thorough one first; what is not proved or not faster is dropped."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto

from domain.columns import ColumnSpec, Creators, Users
from domain.deadline import Clock
from domain.errors import ArtifactError
from domain.request import User
from domain.stages import Progress
from ranking.agree import SEED, Agreement, Requests, candidates_for, compare, sampled_requests
from ranking.bound import Binding
from ranking.complaint import first_line
from ranking.compose_folded import FoldedComposer
from ranking.creator_part import CreatorPart
from ranking.folding.estimate import Work, estimate
from ranking.folding.fold import BoundModel, Folded, fold
from ranking.folding.problem import NotFoldable
from ranking.folding.report import describe
from ranking.made_up_users import MadeUpUsers
from ranking.measure import CANDIDATE_COUNT, Measured, measure
from ranking.narrow_layers import LEAST_WEIGHTS, Layer, find_layers
from ranking.narrow_layers import narrow as narrow_layers
from ranking.onnx_ranker import OnnxRanker
from ranking.open import open_described
from ranking.plan import (
    BINDING_FILE,
    CREATOR_FILE,
    EXPORTED_FILE,
    FORM_NARROWED,
    SERVED_FILE,
    TABLES_FOLDER,
    WHOLE_FILE,
    GraphInputs,
    RankerDescription,
)
from ranking.prove import Proof, probe_candidates, probe_users
from ranking.ranges import observe_ranges
from ranking.settle import within_of_differences
from ranking.tables import TableWriter

MEASURED_USERS = 8
MOST_SETTLING_BYTES = 64 << 20  # of the whole form's weights, which every worker holds only to settle near ties: more is no price for that

Chosen = tuple[RankerDescription, dict[str, Any]]
"""What is served, and the report."""


@dataclass(frozen=True)
class CompileOptions:
    """clock: the CPU time of the calling thread, to measure with; None takes a folded form wherever one is proved, without measuring. threads: for
    computing tables. folds: whether other forms than the whole one are tried at all. narrows: whether tables may be float16 and layers
    int8, where the order of the best stays that of the whole form but for a thousandth of its NDCG."""

    clock: Clock | None = None
    threads: int = 1
    folds: bool = True
    narrows: bool = False


@dataclass(frozen=True)
class RankerSource:
    """What a team brings. model: the exported file. user_columns: what users.parquet has; empty when there is none. users: the listed ones, some
    of whom are sampled for the proof."""

    model: Path
    binding: Binding
    creators: Creators
    user_columns: Sequence[ColumnSpec] = ()
    users: Users | None = None


@dataclass(frozen=True)
class Tried:
    """A form that was proved. sizes: bytes per creator, served and whole. measured: None where nobody asked for it. layers: those in int8."""

    description: RankerDescription
    sizes: Mapping[str, int]
    agreement: Agreement
    measured: Measured | None
    layers: Sequence[Layer] = ()

    def faster_than(self, other: Tried) -> bool:
        """Whether it is the better choice; without measurements it is."""
        return self.measured is None or other.measured is None or self.measured.least_served_ms < other.measured.least_served_ms

    def report(self) -> dict[str, Any]:
        """What the build's report says of it."""
        said: dict[str, Any] = {"bytes_per_creator": dict(self.sizes), "proof": self.agreement.to_json(), "near": self.description.near}
        if self.layers:
            said["narrowed_layers"] = [layer.to_json() for layer in self.layers]
        return said | ({} if self.measured is None else {"measured": self.measured.to_json()})


@dataclass
class FormChooser:
    """Writes and tries forms in a ranker's directory. whole: the description of the whole form, which lies there proved, in WHOLE_FILE.

    notes: why each form that was tried is not served. work: what was found out about the model, for the report.
    """

    source: RankerSource
    directory: Path
    whole: RankerDescription
    tables: TableWriter
    options: CompileOptions
    progress: Progress
    notes: list[str] = field(default_factory=list)
    work: dict[str, Any] = field(default_factory=dict)

    def choose(self, bound: Callable[[], BoundModel]) -> Chosen:
        """(what is served, the report). bound: makes the model to fold."""
        if not self.options.folds:
            return self._whole("it was not asked for")
        try:
            return self._folded(bound()) or self._whole("")
        except NotFoldable as problem:
            return self._whole(f"cannot be folded: {problem}")
        except OSError:
            raise  # the disk is full: no form could be written
        except Exception as problem:  # noqa: BLE001 - the model is fine, it runs whole: what folding cannot do must not keep it from being served
            return self._whole(f"folding failed ({type(problem).__name__}: {first_line(problem)}); please report this model")

    def _folded(self, seen: BoundModel) -> Chosen | None:
        """The first folded form that is proved and faster. Raises NotFoldable."""
        for splits in (True, False):
            folded = fold(seen, splits)
            work = estimate(seen, folded)
            self.work = self.work or describe(folded, work)
            if not self._pays(folded, work):
                self.notes.append("folding would save nothing")
                return None
            for narrow in (True, False) if self.options.narrows and folded.computed else (False,):
                write = partial(self._write, FoldedComposer(folded, seen.model, self.tables, self.whole, narrow))
                found = self._form("narrowed" if narrow else "folded", write, folded.reordered)
                if found is not None:
                    return found.description, {"form": found.description.form, "notes": self.notes, **describe(folded, work), **found.report()}
        return None

    def _form(self, title: str, write: Callable[[], RankerDescription], reordered: bool) -> Tried | None:
        """One form, and the same with narrow layers where that was asked for and is better; None, with a note, where it is no good."""
        found = self._tried(title, lambda: self._judge(write(), reordered))
        if found is None or not self.options.narrows:
            return found
        wide, written = found, (self.directory / SERVED_FILE).read_bytes()
        narrowed = self._tried("narrowed layers", lambda: self._with_narrow_layers(wide, onnx.load_model_from_string(written)))
        if narrowed is None:
            (self.directory / SERVED_FILE).write_bytes(written)
        return narrowed or wide

    def _tried(self, title: str, attempt: Callable[[], Tried]) -> Tried | None:
        """What the attempt gives; None, with a note, when it raises. A full disk is no matter of forms."""
        try:
            return attempt()
        except OSError:
            raise
        except ArtifactError as problem:
            self.notes.append(f"{title}: {problem.text}")
        except Exception as problem:  # noqa: BLE001 - as in `choose`: another form is there to be served
            self.notes.append(f"{title}: {first_line(problem)}")
        return None

    def _pays(self, folded: Folded, work: Work) -> bool:
        if self.options.clock is None:
            return bool(folded.computed) or work.candidate < work.whole
        return work.served_ns < work.whole_ns

    def _write(self, composer: FoldedComposer) -> RankerDescription:
        """Write one form with its tables."""
        served, part, description = composer.compose(self.source.binding.heads)
        (self.directory / SERVED_FILE).write_bytes(served.SerializeToString(deterministic=True))
        (self.directory / CREATOR_FILE).unlink(missing_ok=True)
        if part is not None:
            (self.directory / CREATOR_FILE).write_bytes(part.SerializeToString(deterministic=True))
        description = replace(description, file=SERVED_FILE, whole=self.whole.inputs)
        self._write_tables(description)
        return description

    def _judge(self, description: RankerDescription, reordered: bool, layers: Sequence[Layer] = ()) -> Tried:
        """The form that was written. Raises ArtifactError or ValueError where it is not proved, or slower than whole."""
        Proof(self.source.model, self.directory, description, self.source.binding, self.source.creators).run()
        served, whole, requests = self._open(description), self._open(self.whole), self._sampled(description)
        agreement = compare(served, whole, requests, reordered, description.form == FORM_NARROWED)
        if agreement.settles and self._whole_bytes() <= MOST_SETTLING_BYTES:
            description = replace(description, near=within_of_differences(agreement.max_absolute))
            served = served.settled_by(whole, description.near)
            agreement = agreement.settled(compare(served, whole, requests, reordered))
        if agreement.problem:
            raise ValueError(agreement.problem)
        measured = self._measure(whole, served, [user for user, _ in requests[:MEASURED_USERS]])
        if measured is not None and measured.slower:
            raise ValueError(f"{measured.least_served_ms:.3f} ms per request, whole {measured.least_whole_ms:.3f} ms")
        sizes = {"served": bytes_per_creator(description.inputs), "whole": bytes_per_creator(self.whole.inputs)}
        return Tried(description, sizes, agreement, measured, layers)

    def _with_narrow_layers(self, wide: Tried, model: ModelProto) -> Tried:
        """The form of `model` with its dense layers in int8. Raises ValueError where there are none, where it is not proved or not faster."""
        layers = find_layers(model, self.directory)
        ranges = observe_ranges(self._open(wide.description), model, [layer.input for layer in layers], self._probes(wide.description))
        layers = [layer for layer in layers if layer.input in ranges and ranges[layer.input].per_candidate]
        if not layers:
            raise ValueError(f"no layer of at least {LEAST_WEIGHTS} weights has a row per candidate")
        narrowed = narrow_layers(model, layers, ranges, f"{self.whole.prefix}/narrow")
        (self.directory / SERVED_FILE).write_bytes(narrowed.SerializeToString(deterministic=True))
        found = self._judge(replace(wide.description, form=FORM_NARROWED, near=0.0), wide.agreement.reordered, layers)
        if not found.faster_than(wide):
            raise ValueError("not faster than without")
        return found

    def _write_tables(self, description: RankerDescription) -> None:
        folder = self.directory / TABLES_FOLDER
        self.tables.write_columns(folder, frozenset(table.name for table in description.tables), self.progress)
        if description.creator is not None:
            part = CreatorPart.open(self.directory / CREATOR_FILE, description.creator, description.tables, self.options.threads)
            self.tables.write_computed(folder, part, self.progress)

    def _whole_bytes(self) -> int:
        """Of the whole form's file, and of external data, which it shares with the exported one."""
        others = {SERVED_FILE, CREATOR_FILE, EXPORTED_FILE, BINDING_FILE}
        return sum(path.stat().st_size for path in self.directory.iterdir() if path.is_file() and path.name not in others)

    def _measure(self, whole: OnnxRanker, served: OnnxRanker, users: Sequence[User]) -> Measured | None:
        """None where nobody asked for it."""
        if self.options.clock is None:
            return None
        rng = np.random.default_rng(SEED)
        timed = [(user, candidates_for(user, self.source.creators, CANDIDATE_COUNT, rng)) for user in users]
        return measure(whole, served, timed, self.options.clock)

    def _open(self, description: RankerDescription) -> OnnxRanker:
        return open_described(self.directory, description, self.source.binding, self.source.creators)

    def _probes(self, description: RankerDescription) -> Requests:
        """Sampled requests, and those of the proof."""
        candidates = probe_candidates(self.source.creators)
        made_up = MadeUpUsers(description, self.source.binding, self.source.creators)
        return [*self._sampled(description), *((user, candidates) for user in probe_users(made_up, candidates.rows).values())]

    def _sampled(self, description: RankerDescription) -> Requests:
        made_up = MadeUpUsers(description, self.source.binding, self.source.creators)
        return sampled_requests(made_up, self.source.users, self.source.creators)

    def _whole(self, note: str) -> Chosen:
        """The whole form is what is served, with narrow layers where that was asked for and is better."""
        (self.directory / CREATOR_FILE).unlink(missing_ok=True)
        self.notes += [note] if note else []
        found = self._form("narrowed", self._write_whole, reordered=False) if self.options.folds and self.options.narrows else None
        if found is not None and found.layers:
            return found.description, {"form": found.description.form, "notes": self.notes, **self.work, **found.report()}
        (self.directory / WHOLE_FILE).replace(self.directory / SERVED_FILE)
        size = bytes_per_creator(self.whole.inputs)
        report = {"form": self.whole.form, "notes": self.notes, **self.work, "bytes_per_creator": {"served": size, "whole": size}}
        return replace(self.whole, file=SERVED_FILE), report

    def _write_whole(self) -> RankerDescription:
        """The whole form as what is served, while the other copy stays."""
        shutil.copyfile(self.directory / WHOLE_FILE, self.directory / SERVED_FILE)
        return replace(self.whole, file=SERVED_FILE, whole=self.whole.inputs)


def bytes_per_creator(taken: GraphInputs) -> int:
    """Of the tables that a graph keeps beside the catalogue's own columns."""
    return sum(prod(table.shape[1:]) * np.dtype(table.dtype).itemsize for table in taken.tables if table.file)
