"""Where things lie inside a bundle, and how they may be named."""

from __future__ import annotations

import re
from pathlib import Path

MANIFEST = "manifest.json"
CREATORS = "creators"
USERS = "users"
REPORT = "report.json"  # of a ranker: what its build found out, measured times among it

COLUMNS = "columns"
TABLE = "table.json"  # what the arrays beside it hold
IDS = "ids.npy"
ID_ORDER = "id_order.npy"
ID_RANKS = "id_ranks.npy"
EMBEDDINGS = "embeddings.npy"
NORMS = "norms.npy"
TIERS = "tier.npy"
MARKETS = "markets.npy"
EVERYWHERE = "everywhere.npy"
MARKET_ROWS = "market_rows"
EVERYWHERE_ROWS = "everywhere_rows.npy"
NAMES = "names"
LABELS = "labels"
LABEL_NAMES = "label_names"
FOLLOWED = "followed"

LEAST_NORM, MOST_NORM = 1e-6, 1e4  # of embeddings: one vector of norm 4e20 was returned by a fifth of all inner-product queries

FEATURE_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
FOLDER_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")  # indexes and rankers are folders

_BESIDE_THE_IDS = frozenset({"create_time", "revision"})  # columns with a meaning of their own lie beside ids.npy, features in their own folder


def column_stem(table: Path, name: str) -> Path:
    """The path of a column's files without their endings, see `values_file`, `offsets_file` and `present_file`."""
    return table / name if table.name == CREATORS and name in _BESIDE_THE_IDS else table / COLUMNS / name


def values_file(stem: Path) -> Path:
    """The stored values."""
    return stem.with_name(stem.name + ".npy")


def offsets_file(stem: Path) -> Path:
    """Of sequences and texts: where each row begins, and the end."""
    return stem.with_name(stem.name + ".offsets.npy")


def present_file(stem: Path) -> Path:
    """Which rows have a value; only written when some have none."""
    return stem.with_name(stem.name + ".present.npy")
