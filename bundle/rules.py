"""How parquet columns are to be read: what the ranker's binding and the command line say about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.columns import Vocabulary


@dataclass(frozen=True, slots=True)
class ReadRules:
    """All names but `ignored` are full names: `creator.genre`, `user.history`.

    vocabularies: how categories become codes. creator_sequences: lists of creator ids. nullable: columns with a default, which alone may hold nulls.
    bound: columns that the ranker reads. sequences: lists of numbers that stay sequences even when all have one length.
    ignored: columns that are not read at all, as `genre` or as `creator.genre`.
    """

    vocabularies: Mapping[str, Vocabulary] = field(default_factory=dict)
    creator_sequences: frozenset[str] = frozenset()
    nullable: frozenset[str] = frozenset()
    bound: frozenset[str] = frozenset()
    ignored: frozenset[str] = frozenset()
    sequences: frozenset[str] = frozenset()

    def ignores(self, full_name: str) -> bool:
        """Whether a column is not to be read, by its full name or the part behind the first dot."""
        return full_name in self.ignored or full_name.partition(".")[2] in self.ignored

    def reads(self, full_name: str) -> bool:
        """Whether the ranker reads a column."""
        return full_name in self.bound or full_name in self.creator_sequences
