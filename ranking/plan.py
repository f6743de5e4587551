"""What serving must know to run a compiled ranker, as values: stored in the manifest, read back without `onnx`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from domain.columns import ColumnKind, ColumnMeaning, ColumnSpec
from ranking.bound import ColumnRef

EXPORTED_FILE = "ranker.onnx"
SERVED_FILE = "served.onnx"
WHOLE_FILE = "whole.onnx"  # the model as it is with its inputs composed in front, where another form is served
CREATOR_FILE = "creator.onnx"  # what depends on a creator alone, where there is such a part
REPORT_FILE = "report.json"
BINDING_FILE = "binding.json"
TABLES_FOLDER = "tables"
FORM_WHOLE = "whole"  # the model as it is, for every candidate
FORM_SPLIT = "split"  # the request's part once per request, the rest per candidate
FORM_FOLDED = "folded"  # the same, and the creators' part from tables that the build computed
FORM_NARROWED = "narrowed"  # split or folded, with computed tables in float16, dense layers in int8, or both
FORMS = (FORM_WHOLE, FORM_SPLIT, FORM_FOLDED, FORM_NARROWED)

DefaultNumbers = tuple[float | int, ...]


@dataclass(frozen=True, slots=True)
class BoundColumn:
    """One column of one input, resolved.

    spec: what the column holds (for `.creator.<of>`: the sequence of creators). width: elements that it adds to the input's last dimension.
    default: numbers for an absent value (categories as codes), one for a scalar; None: absence is an error. of_default: the same for nulls in the
    creators' column behind `.creator.`. clip: `.length` counts at most this many entries, 0 for all.
    """

    ref: ColumnRef
    spec: ColumnSpec
    width: int
    default: DefaultNumbers | None = None
    of_default: DefaultNumbers | None = None
    clip: int = 0

    def to_json(self) -> dict[str, Any]:
        """As a JSON value."""
        defaults = {"default": _encode(self.default), "of_default": _encode(self.of_default)}
        return {"column": self.ref.text, "spec": spec_to_json(self.spec), "width": self.width, "clip": self.clip, **defaults}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> BoundColumn:
        """The column that `to_json` wrote."""
        defaults = _decode(data["default"]), _decode(data["of_default"])
        return cls(ColumnRef.parse(data["column"]), spec_from_json(data["spec"]), int(data["width"]), *defaults, int(data["clip"]))


@dataclass(frozen=True, slots=True)
class RequestInput:
    """One input of the served graph that is assembled per request.

    shape: as the graph takes it. dtype: NumPy name. length: entries of its sequences, 0 for none. The elements are those of [length or 1, width],
    where width is the sum over `columns`.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    length: int
    columns: tuple[BoundColumn, ...]
    of: str = ""  # the input of the exported model that it feeds, for messages

    @property
    def width(self) -> int:
        """The sum of the widths of its columns."""
        return sum(c.width for c in self.columns)

    def to_json(self) -> dict[str, Any]:
        """As a JSON value."""
        columns = [c.to_json() for c in self.columns]
        return {"name": self.name, "dtype": self.dtype, "shape": list(self.shape), "length": self.length, "columns": columns, "of": self.of}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RequestInput:
        """The input that `to_json` wrote."""
        columns = tuple(BoundColumn.from_json(c) for c in data["columns"])
        return cls(data["name"], data["dtype"], tuple(data["shape"]), int(data["length"]), columns, data["of"])


@dataclass(frozen=True, slots=True)
class TableInput:
    """One input of the served graph that is bound once: a table with a row per creator. file: in tables/; "" for the catalogue's embeddings."""

    name: str
    file: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CreatorPartPlan:
    """What the creators' part (CREATOR_FILE) takes and gives. inputs: packed from columns of creators, with n rows where `shape` has 0. tables: its
    outputs, by the names of the tables that they fill."""

    inputs: tuple[RequestInput, ...]
    tables: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As a JSON value."""
        return {"inputs": [one.to_json() for one in self.inputs], "tables": list(self.tables)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CreatorPartPlan:
        """The plan that `to_json` wrote."""
        return cls(tuple(RequestInput.from_json(one) for one in data["inputs"]), tuple(data["tables"]))


@dataclass(frozen=True, slots=True)
class GraphInputs:
    """What a served graph takes beside rows, top_count and weights."""

    requests: tuple[RequestInput, ...]
    tables: tuple[TableInput, ...]
    reads_similarity: bool

    def to_json(self) -> dict[str, Any]:
        """As a JSON value."""
        return {
            "requests": [r.to_json() for r in self.requests],
            "tables": [asdict(t) | {"shape": list(t.shape)} for t in self.tables],
            "reads_similarity": self.reads_similarity,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> GraphInputs:
        """What `to_json` wrote."""
        tables = tuple(TableInput(t["name"], t["file"], t["dtype"], tuple(t["shape"])) for t in data["tables"])
        return cls(tuple(RequestInput.from_json(r) for r in data["requests"]), tables, bool(data["reads_similarity"]))


@dataclass(frozen=True)
class RankerDescription:
    """A compiled ranker.

    Names of the served graph: `rows` int64 [n]; `top_count` int64 [1], at most n; `similarities` float32 [n, 1] and `weights` float32 [heads], each
    "" when the graph has no such input; `scores` float32 [n] as the model gives them; `best` float32 [top_count], the best of them, and `top` int64
    [top_count], their positions: meaningful where all scores are finite, equal ones in any order.
    objective: weighted output -> default weight, in the order of `weights`; empty for a single output.
    user, context: what callers may send. form: one of FORMS, of the graph in `file`. whole: what the graph in WHOLE_FILE takes, where there is one.
    creator: the creators' part, where there is one. near: scores no further apart are near ties, which WHOLE_FILE settles (ranking.settle); 0: none.
    """

    prefix: str
    inputs: GraphInputs
    objective: Mapping[str, float]
    user: tuple[ColumnSpec, ...]
    context: tuple[ColumnSpec, ...]
    form: str = FORM_WHOLE
    details: Mapping[str, Any] = field(default_factory=dict)  # for people: the model's opset, producer and size
    whole: GraphInputs | None = None
    creator: CreatorPartPlan | None = None
    file: str = SERVED_FILE
    near: float = 0.0

    def as_whole(self) -> RankerDescription:
        """The same ranker run whole, by the graph that the bundle has for it."""
        if self.whole is None:
            return self
        return replace(self, inputs=self.whole, form=FORM_WHOLE, file=WHOLE_FILE, whole=None, creator=None, near=0.0)

    @property
    def files(self) -> tuple[str, ...]:
        """The graphs that it has beside the model as exported."""
        return (SERVED_FILE, *((WHOLE_FILE,) if self.whole else ()), *((CREATOR_FILE,) if self.creator else ()))

    @property
    def requests(self) -> tuple[RequestInput, ...]:
        """What is assembled per request."""
        return self.inputs.requests

    @property
    def tables(self) -> tuple[TableInput, ...]:
        """What is bound once."""
        return self.inputs.tables

    @property
    def reads_similarity(self) -> bool:
        """Whether the graph takes similarities."""
        return self.inputs.reads_similarity

    @property
    def rows(self) -> str:
        """The name of the input of row numbers."""
        return f"{self.prefix}/rows"

    @property
    def similarities(self) -> str:
        """The name of the input of similarities, or "" when no column reads them."""
        return f"{self.prefix}/similarities" if self.reads_similarity else ""

    @property
    def weights(self) -> str:
        """The name of the input of head weights, or "" for a single output."""
        return f"{self.prefix}/weights" if self.objective else ""

    @property
    def top_count(self) -> str:
        """The name of the input that says how many positions `top` has."""
        return f"{self.prefix}/top_count"

    @property
    def scores(self) -> str:
        """The name of the output of scores."""
        return f"{self.prefix}/scores"

    @property
    def best(self) -> str:
        """The name of the output of the best scores."""
        return f"{self.prefix}/best"

    @property
    def top(self) -> str:
        """The name of the output of the best positions."""
        return f"{self.prefix}/top"

    def to_json(self) -> dict[str, Any]:
        """As a JSON value for the manifest; `from_json` gives an equal description."""
        return {
            "form": self.form,
            "prefix": self.prefix,
            **self.inputs.to_json(),
            "whole": None if self.whole is None else self.whole.to_json(),
            "creator": None if self.creator is None else self.creator.to_json(),
            "near": self.near,
            "objective": dict(self.objective),
            "heads": list(self.objective),  # their order, which the keys of a JSON object do not keep
            "user": [spec_to_json(c) for c in self.user],
            "context": [spec_to_json(c) for c in self.context],
            "details": dict(self.details),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RankerDescription:
        """The description that `to_json` wrote. Raises KeyError, TypeError or ValueError for anything else."""
        return cls(
            prefix=data["prefix"],
            inputs=GraphInputs.from_json(data),
            whole=GraphInputs.from_json(data["whole"]) if data.get("whole") else None,
            creator=CreatorPartPlan.from_json(data["creator"]) if data.get("creator") else None,
            objective=_in_order(data["objective"], data.get("heads", list(data["objective"]))),
            user=tuple(spec_from_json(c) for c in data["user"]),
            context=tuple(spec_from_json(c) for c in data["context"]),
            form=data["form"],
            details=data.get("details", {}),
            near=float(data.get("near", 0.0)),
        )


def _in_order(objective: Mapping[str, Any], heads: list[str]) -> dict[str, float]:
    if sorted(heads) != sorted(objective):
        raise ValueError(f"heads are {heads!r}, the objective weighs {sorted(objective)!r}")
    return {head: float(objective[head]) for head in heads}


def spec_to_json(spec: ColumnSpec) -> dict[str, Any]:
    """As a JSON value of plain types."""
    return {"name": spec.name, "kind": spec.kind.value, "dtype": spec.dtype, "width": spec.width, "meaning": spec.meaning.value}


def spec_from_json(data: Mapping[str, Any]) -> ColumnSpec:
    """The ColumnSpec that `spec_to_json` wrote."""
    return ColumnSpec(data["name"], ColumnKind(data["kind"]), data["dtype"], int(data["width"]), ColumnMeaning(data["meaning"]))


def _encode(default: DefaultNumbers | None) -> list[float | int | str] | None:
    """JSON has no NaN: it becomes "nan"."""
    return None if default is None else ["nan" if math.isnan(v) else v for v in default]


def _decode(default: list[float | int | str] | None) -> DefaultNumbers | None:
    return None if default is None else tuple(math.nan if isinstance(v, str) else v for v in default)
