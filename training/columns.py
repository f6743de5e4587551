"""Which columns the ranker reads beside learned vectors, and what stands in where nobody knows: decided once, from what may be learned from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from domain.arrays import FloatArray, RowArray
from domain.features import Categories, Features, Numbers
from domain.listens import Listens, SideTables

HISTORY_LENGTH = 20  # creators that the ranker reads of a history
LONG_TAIL = 10.0  # numbers within one order of magnitude are left as they are


@dataclass(frozen=True)
class NumberColumn:
    """full: `creator.followers`. logged: read as log(1 + x), for long tails. default: [w], stands in where nobody knows. optional: some rows have no
    value, so whether there is one is read beside it."""

    full: str
    width: int
    logged: bool
    default: tuple[float, ...]
    optional: bool

    @property
    def reads(self) -> list[str]:
        """The columns that the binding names for it."""
        return [self.full, f"{self.full}.present"] if self.optional else [self.full]

    def fill(self, column: Numbers) -> FloatArray:
        """float32 [n, w], or [n, w + 1] when optional: what the binding feeds."""
        there = ~np.isnan(column.values).any(axis=1, keepdims=True)
        values = np.where(there, column.values, np.array(self.default, np.float32))
        return np.hstack([values, there.astype(np.float32)]) if self.optional else values

    def logged_places(self) -> list[bool]:
        """Per place of what `fill` gives whether it is read as log(1 + x)."""
        return [self.logged] * self.width + [False] * self.optional


@dataclass(frozen=True)
class CategoryColumn:
    """full: `creator.genre`; a category is coded by 1 + its place in values, everything else by 0."""

    full: str
    values: tuple[str, ...]

    def encode(self, column: Categories) -> RowArray:
        """int64 [n]: the codes of this column's own values."""
        places = {value: place for place, value in enumerate(self.values, start=1)}
        table = np.array([0, *(places.get(value, 0) for value in column.values)], np.int64)
        return table[column.codes]


@dataclass(frozen=True)
class SideColumns:
    """The columns of one side: creator, user or context."""

    numbers: tuple[NumberColumn, ...] = ()
    categories: tuple[CategoryColumn, ...] = ()

    def numbers_of(self, features: Features, count: int) -> FloatArray:
        """float32 [count, w]: all numbers side by side."""
        filled = [column.fill(_numbers(features, column.full)) for column in self.numbers]
        return np.hstack([np.empty((count, 0), np.float32), *filled])

    def codes_of(self, features: Features, count: int) -> RowArray:
        """int64 [count, c]: all codes side by side."""
        codes = [column.encode(_categories(features, column.full))[:, None] for column in self.categories]
        return np.hstack([np.empty((count, 0), np.int64), *codes])

    @property
    def names(self) -> list[str]:
        """Without the side: `hour`, not `context.hour`."""
        return [full.partition(".")[2] for full in (*(n.full for n in self.numbers), *(c.full for c in self.categories))]

    @property
    def number_defaults(self) -> FloatArray:
        """float32 [1, w]: what is fed when nobody says anything."""
        nothing = [column.fill(Numbers(np.full((1, column.width), np.nan, np.float32))) for column in self.numbers]
        return np.hstack([np.empty((1, 0), np.float32), *nothing])


@dataclass(frozen=True)
class Columns:
    """All that the ranker reads beside learned vectors. history: whether it reads the creators that the user heard last."""

    creator: SideColumns = field(default_factory=SideColumns)
    user: SideColumns = field(default_factory=SideColumns)
    context: SideColumns = field(default_factory=SideColumns)
    history: bool = False

    def __bool__(self) -> bool:
        """Whether there is anything to read."""
        return bool(self.creator.numbers or self.request_numbers or self.code_counts or self.history)

    @property
    def request_numbers(self) -> tuple[NumberColumn, ...]:
        """Those that are fed once per request."""
        return (*self.user.numbers, *self.context.numbers)

    @property
    def request_categories(self) -> tuple[CategoryColumn, ...]:
        """Those that are fed once per request."""
        return (*self.user.categories, *self.context.categories)

    @property
    def matches(self) -> list[tuple[int, int]]:
        """Places (in the creator's categories, in the request's) of categories of the same name: whether they are equal is a feature."""
        places = {column.full.partition(".")[2]: place for place, column in enumerate(self.creator.categories)}
        named = [column.full.partition(".")[2] for column in self.request_categories]
        return [(places[name], place) for place, name in enumerate(named) if name in places]

    @property
    def code_counts(self) -> tuple[int, ...]:
        """How many codes each category has, creator's first."""
        return tuple(len(column.values) + 1 for column in (*self.creator.categories, *self.request_categories))

    @property
    def defaults(self) -> Mapping[str, Any]:
        """The binding's defaults. Users and occasions have one for everything, since a request need not know them."""
        asked = {column.full: _plain(column.default) for column in self.request_numbers}
        stored = {column.full: _plain(column.default) for column in self.creator.numbers if column.optional}
        texts = {column.full: "" for column in (*self.creator.categories, *self.request_categories)}
        return stored | asked | texts


def plan_columns(listens: Listens, side: SideTables) -> Columns:
    """Everything that the data has. Of occasions only what `listens` themselves were played on."""
    context = listens.plays.context if listens.plays is not None else {}
    creator, user = _side("creator", side.creator_features), _side("user", side.user_features)
    shared = [_shared(creator.categories, column) for column in user.categories]
    alike = {column.full.partition(".")[2]: column.values for column in shared}
    return Columns(
        creator=SideColumns(creator.numbers, tuple(_with_values(column, alike) for column in creator.categories)),
        user=SideColumns(user.numbers, tuple(shared)),
        context=_side("context", context),
        history=listens.plays is not None and listens.plays.times_s is not None,
    )


def _side(side: str, features: Features) -> SideColumns:
    numbers = [_plan_number(f"{side}.{name}", column) for name, column in sorted(features.items()) if isinstance(column, Numbers)]
    categories = [_plan_category(f"{side}.{name}", column) for name, column in sorted(features.items()) if isinstance(column, Categories)]
    return SideColumns(tuple(n for n in numbers if n is not None), tuple(c for c in categories if c.values))


def _plan_number(full: str, column: Numbers) -> NumberColumn | None:
    """None where no row has a value."""
    known = column.values[~np.isnan(column.values).any(axis=1)].astype(np.float64)
    if not len(known):
        return None
    plain = known.shape[1] == 1
    default = np.median(known, axis=0) if plain else known.mean(axis=0)
    logged = plain and known.min() >= 0.0 and known.max() > LONG_TAIL and known.std() > known.mean()
    values = tuple(float(np.rint(v)) if column.whole else float(np.float32(v)) for v in default)
    return NumberColumn(full, known.shape[1], bool(logged), values, len(known) < len(column.values))


def _plan_category(full: str, column: Categories) -> CategoryColumn:
    """The values that occur: a value of nobody is none to learn of."""
    return CategoryColumn(full, tuple(column.values[code - 1] for code in np.unique(column.codes).tolist() if code))


def _shared(creators: tuple[CategoryColumn, ...], column: CategoryColumn) -> CategoryColumn:
    """With the values of the creators' column of the same name among its own: equal values must have equal codes."""
    name = column.full.partition(".")[2]
    same = [one.values for one in creators if one.full.partition(".")[2] == name]
    return CategoryColumn(column.full, tuple(sorted({*column.values, *(value for values in same for value in values)})))


def _with_values(column: CategoryColumn, alike: Mapping[str, tuple[str, ...]]) -> CategoryColumn:
    return CategoryColumn(column.full, alike.get(column.full.partition(".")[2], column.values))


def _plain(default: tuple[float, ...]) -> float | list[float]:
    return default[0] if len(default) == 1 else list(default)


def _numbers(features: Features, full: str) -> Numbers:
    column = features[full.partition(".")[2]]
    assert isinstance(column, Numbers)
    return column


def _categories(features: Features, full: str) -> Categories:
    column = features[full.partition(".")[2]]
    assert isinstance(column, Categories)
    return column
