"""Whatever is in a parquet file comes out of the opened tables, compared with Arrow's own plain reading of the file, row by row."""

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bundle.check_tables import check_creators, check_users
from bundle.creators import write_creators
from bundle.open import open_creators, open_users
from bundle.rules import ReadRules
from bundle.users import write_users
from domain.columns import Vocabulary
from tests.unit.bundle.files import Silent, rows_set

WORDS = Vocabulary(("red", "green", "ö"), first=5, unknown=-2)
RULES = ReadRules(
    vocabularies={"creator.mood": WORDS, "creator.moods": WORDS},
    creator_sequences=frozenset({"creator.similar", "user.history"}),
    nullable=frozenset(f"creator.{name}" for name in ("mood", "moods", "heat", "big", "flag", "seen", "pair", "plays")) | {"user.history"},
)

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=6)
ids = texts.filter(lambda text: 0 < len(text.encode()) <= 64)
words = st.sampled_from(["red", "green", "ö", "other"])
halves = st.floats(-1000, 1000, width=16)
markets = st.lists(st.sampled_from(["SE", "GB", "ö", "US"]), max_size=3)


def maybe(strategy):
    return st.none() | strategy


@st.composite
def creators_rows(draw):
    creator_ids = draw(st.lists(ids, min_size=1, max_size=12, unique=True))
    width = draw(st.integers(1, 5))
    some = [*creator_ids, "nobody"]
    row = st.fixed_dictionaries(
        {
            "embedding": st.lists(st.floats(0.5, 100, width=32), min_size=width, max_size=width),
            "name": maybe(texts),
            "markets": maybe(markets),
            "tier": maybe(st.sampled_from(["", "new", "top"])),
            "labels": maybe(st.lists(texts, max_size=2)),
            "create_time": maybe(st.integers(-(10**12), 10**12)),
            "revision": maybe(st.integers(-(2**63), 2**63 - 1)),
            "mood": maybe(words),
            "moods": maybe(st.lists(words, max_size=3)),
            "heat": maybe(halves),
            "big": maybe(st.integers(0, 2**64 - 1)),
            "flag": maybe(st.booleans()),
            "seen": maybe(st.integers(-(10**15), 10**15)),
            "pair": maybe(st.lists(halves, min_size=2, max_size=2)),
            "plays": maybe(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=3)),
            "similar": st.lists(st.sampled_from(some), max_size=3),
        }
    )
    return [{"creator_id": creator_id, **draw(row)} for creator_id in creator_ids]


SCHEMA = pa.schema(
    {
        "creator_id": pa.string(),
        "embedding": pa.list_(pa.float32()),
        "name": pa.string(),
        "markets": pa.list_(pa.string()),
        "tier": pa.dictionary(pa.int8(), pa.string()),
        "labels": pa.large_list(pa.string()),
        "create_time": pa.timestamp("ms", "UTC"),
        "revision": pa.int64(),
        "mood": pa.large_string(),
        "moods": pa.list_(pa.string()),
        "heat": pa.float16(),
        "big": pa.uint64(),
        "flag": pa.bool_(),
        "seen": pa.timestamp("us", "Europe/Stockholm"),
        "pair": pa.list_(pa.float64(), 2),
        "plays": pa.list_(pa.int32()),
        "similar": pa.list_(pa.string()),
    }
)

tables = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@tables
@given(creators_rows(), st.integers(1, 5), st.integers(1, 7))
def test_creators_come_out_as_they_went_in(rows, group_size, batch_size):
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr("bundle.parquet.BATCH_ROW_COUNT", batch_size)
        directory = Path(name)
        file = directory / "c.parquet"
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA), file, row_group_size=group_size)
        summary = write_creators(file, directory, RULES, Silent())
        creators = open_creators(directory)
        check_creators(directory / "creators", creators)
        assert summary.count == len(creators) == len(rows)
        same_identity(rows, creators)
        same_features(rows, creators)
        same_markets(rows, creators)
        strangers = sum(creator == "nobody" for row in rows for creator in row["similar"]) if all(r["creator_id"] != "nobody" for r in rows) else 0
        assert summary.dropped == {"creator.similar": strangers}


def same_identity(rows, creators):
    everybody = np.arange(len(rows))
    wanted = [row["creator_id"] for row in rows]
    assert creators.ids_of(everybody) == wanted
    assert creators.rows_of(wanted).tolist() == everybody.tolist()
    assert creators.ids_of(creators.id_order) == sorted(wanted, key=str.encode)
    assert creators.embeddings.tolist() == [row["embedding"] for row in rows]
    assert creators.names_of(everybody) == [row["name"] or "" for row in rows]
    assert [creators.tier_names[code] for code in creators.tiers] == [row["tier"] or "" for row in rows]


def same_features(rows, creators):
    row_of = {row["creator_id"]: number for number, row in enumerate(rows)}
    for number, row in enumerate(rows):
        found = {name: column.at(number) for name, column in creators.columns.items()}
        plain = {name: None if value is None else value.tolist() for name, value in found.items()}
        assert plain == {
            "create_time": row["create_time"] if row["create_time"] is None else row["create_time"] // 1000,
            "mood": row["mood"] if row["mood"] is None else WORDS.code(row["mood"]),
            "moods": row["moods"] if row["moods"] is None else [WORDS.code(word) for word in row["moods"]],
            "heat": row["heat"],
            "big": row["big"],
            "flag": row["flag"],
            "seen": row["seen"] if row["seen"] is None else row["seen"] // 1_000_000,
            "pair": row["pair"],
            "plays": row["plays"],
            "similar": [row_of[creator] for creator in row["similar"] if creator in row_of],
        }


def same_markets(rows, creators):
    if all(row["markets"] is None for row in rows):
        assert creators.markets is None
        return
    found = creators.markets
    everywhere = [number for number, row in enumerate(rows) if row["markets"] is None]
    assert rows_set(found.everywhere, len(rows)) == found.everywhere_rows.tolist() == everywhere
    assert set(found.codes) == {market for row in rows for market in row["markets"] or []}
    for market, code in found.codes.items():
        available = [number for number, row in enumerate(rows) if row["markets"] is None or market in row["markets"]]
        assert rows_set(found.bitmaps[code], len(rows)) == found.rows[code].tolist() == available


@tables
@given(st.lists(st.tuples(ids, maybe(st.lists(st.sampled_from(["a", "b", "nobody", ""]), max_size=4))), max_size=9, unique_by=lambda user: user[0]))
def test_users_come_out_as_they_went_in(listed):
    rows = [{"user_id": user_id, "embedding": [1.0, 2.0], "followed": history, "history": history} for user_id, history in listed]
    schema = pa.schema(
        {name: SCHEMA.field(kind).type for name, kind in zip(("user_id", "followed", "history"), ("name", "markets", "moods"), strict=True)}
    )
    schema = schema.append(pa.field("embedding", pa.list_(pa.float64())))
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        pq.write_table(pa.table({"creator_id": ["b", "a"], "embedding": [[1.0, 0.5]] * 2}), directory / "c.parquet")
        pq.write_table(pa.Table.from_pylist(rows, schema), directory / "u.parquet", row_group_size=2)
        write_creators(directory / "c.parquet", directory, ReadRules(), Silent())
        creators = open_creators(directory)
        summary = write_users(directory / "u.parquet", directory, RULES, creators, Silent())
        users = open_users(directory)
        check_users(directory / "users", users, 2)
        for number, (user_id, history) in enumerate(listed):
            known = [{"a": 1, "b": 0}[creator] for creator in history or [] if creator in "ab" and creator]
            assert users.row_of(user_id) == number
            assert users.followed.values[users.followed.offsets[number] : users.followed.offsets[number + 1]].tolist() == known
            value = users.columns["history"].at(number)
            assert value is None if history is None else value.tolist() == known
        dropped = sum(creator in ("nobody", "") for _, history in listed for creator in history or [])
        assert summary.dropped == {"user.followed": dropped, "user.history": dropped}
