"""What a bundle's manifest says about an index: everything that hnswlib does not store in its file, and what the build measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from typing import Any

from domain.errors import ArtifactError, ArtifactReason

INDEX_FILE = "hnsw.bin"
COSINE, INNER_PRODUCT = "cosine", "ip"
REDUCTION = "l2_extra_dimension"
"""The value of `IndexDescription.reduction` when retrieval.vectors appended the dimension that turns inner products into distances."""

_MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class IndexDescription:
    """One hnswlib index over the whole catalogue.

    space: "cosine" or "ip", the similarity that callers get. reduction: "" or "l2_extra_dimension". dimension_count: of the embeddings;
    padded_dimension_count: of the vectors in the file. max_norm: the largest norm of the embeddings (the scale of the reduction).
    count: creators; copy_count: those of them that retrieval.copies keeps out of the index.
    m, ef_construction: hnswlib's M and efConstruction. ef: the effort at `candidate_count`, as tuned.
    recall: at `candidate_count` with effort `ef`, two standard errors below the measured mean, so that it holds for queries not yet seen.
    curve: (effort, measured mean recall, milliseconds per query) for every effort that was tried, ascending.
    fewer: (count, effort) for some counts below `candidate_count`, both ascending: the effort for up to so many, at no less recall.
    """

    space: str
    dimension_count: int
    padded_dimension_count: int
    count: int
    m: int
    ef_construction: int
    ef: int
    candidate_count: int
    recall: float
    max_norm: float
    reduction: str = ""
    copy_count: int = 0
    curve: tuple[tuple[int, float, float], ...] = ()
    fewer: tuple[tuple[int, int], ...] = ()
    kind: str = "hnsw"

    def effort(self, count: int) -> int:
        """How many results to ask of hnswlib to get the best `count` at the tuned recall; never less than `count`, never more than there are."""
        tuned = next((effort for most, effort in self.fewer if count <= most), self.ef)
        return min(self.indexed_count, max(tuned, math.ceil(count * self.ef / self.candidate_count)))

    @property
    def least_effort(self) -> int:
        """What no search goes below."""
        return self.fewer[0][1] if self.fewer else self.ef

    @property
    def indexed_count(self) -> int:
        """How many vectors the index holds."""
        return self.count - self.copy_count

    def to_json(self) -> dict[str, Any]:
        """The description as JSON values."""
        values = asdict(self)
        values["curve"] = [list(point) for point in self.curve]
        values["fewer"] = [list(pair) for pair in self.fewer]
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, object]) -> IndexDescription:
        """The description in a manifest. ArtifactError MANIFEST_INVALID names the first value that cannot be; unknown keys are ignored."""
        if not isinstance(values, Mapping):
            raise _invalid("is not an object")
        values = {"fewer": []} | dict(values)  # bundles of before have none
        missing = [f.name for f in fields(cls) if f.name not in values]
        if missing:
            raise _invalid(f"lacks {missing[0]!r}")
        known = {f.name: values[f.name] for f in fields(cls)}
        for name in _COUNTS:
            _check_count(name, known[name], least=1)
        _check_count("copy_count", known["copy_count"], least=0)
        for name in ("recall", "max_norm"):
            known[name] = _number(name, known[name])
        known["curve"] = _curve(known["curve"])
        known["fewer"] = _fewer(known["fewer"])
        made = cls(**known)  # type: ignore[arg-type]  # every field was checked above or is checked below
        made._check()
        return made

    def _check(self) -> None:
        if self.kind != "hnsw":
            raise _invalid(f"kind is {self.kind!r}; this version reads 'hnsw'")
        if self.space not in {COSINE, INNER_PRODUCT}:
            raise _invalid(f"space is {self.space!r}; it must be 'cosine' or 'ip'")
        if self.reduction not in {"", REDUCTION} or (self.reduction and self.space == COSINE):
            raise _invalid(f"reduction is {self.reduction!r} in space {self.space!r}")
        if self.padded_dimension_count < self.dimension_count + bool(self.reduction):
            raise _invalid(f"padded_dimension_count is {self.padded_dimension_count}, dimension_count {self.dimension_count}")
        if self.copy_count >= self.count:
            raise _invalid(f"copy_count is {self.copy_count}, count {self.count}")
        if not self._fewer_ascend():
            raise _invalid(f"fewer is {self.fewer}; counts and efforts must ascend, below {self.candidate_count} and up to {self.ef}")
        if self.max_norm <= 0.0:
            raise _invalid(f"max_norm is {self.max_norm!r}; it must be positive")

    def _fewer_ascend(self) -> bool:
        pairs = [*self.fewer, (self.candidate_count, self.ef)]
        return all(one[0] < other[0] and one[1] <= other[1] for one, other in pairwise(pairs))


_COUNTS = ("dimension_count", "padded_dimension_count", "count", "m", "ef_construction", "ef", "candidate_count")


def _check_count(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 2**31:
        raise _invalid(f"{name} is {value!r}; it must be an integer from {least} on")


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _invalid(f"{name} is {value!r}; it must be a finite number")
    return float(value)


def _curve(value: object) -> tuple[tuple[int, float, float], ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(point, list | tuple) and len(point) == 3 for point in value):
        raise _invalid("curve is not a list of [effort, recall, milliseconds]")
    return tuple((int(_number("curve", e)), _number("curve", r), _number("curve", ms)) for e, r, ms in value)


def _fewer(value: object) -> tuple[tuple[int, int], ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in value):
        raise _invalid("fewer is not a list of [count, effort]")
    for count, effort in value:
        _check_count("fewer", count, least=1)
        _check_count("fewer", effort, least=count)
    return tuple((count, effort) for count, effort in value)


def _invalid(text: str) -> ArtifactError:
    return ArtifactError(_MANIFEST, ArtifactReason.MANIFEST_INVALID, f"the description of the index {text}; build the bundle again")
