"""The manifest: the same content gives the same bytes, and nothing but a valid manifest is read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.manifest import FileRecord, Manifest, content_digest, parse_manifest
from domain.columns import ColumnKind, ColumnMeaning, ColumnSpec
from domain.errors import ArtifactError, ArtifactReason
from domain.slate import Profile
from tests.unit.bundle.files import plain_manifest

RECORD = FileRecord(3, "0" * 64)

names = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)
labels = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=20)
scalars = st.builds(
    ColumnSpec, names, st.just(ColumnKind.SCALAR), st.sampled_from(["bool", "float16", "uint64"]), st.just(1), st.sampled_from(ColumnMeaning)
)
vectors = st.builds(ColumnSpec, names, st.just(ColumnKind.VECTOR), st.just("float32"), st.integers(1, 9))
sequences = st.builds(ColumnSpec, names, st.just(ColumnKind.SEQUENCE), st.just("int64"), st.just(0), st.sampled_from(ColumnMeaning))
columns = st.lists(scalars | vectors | sequences, max_size=4, unique_by=lambda column: column.name).map(tuple)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | labels, st.lists, max_leaves=5
)
manifests = st.builds(
    Manifest,
    version=labels,
    embedding_space=labels,
    space=st.sampled_from(["cosine", "ip"]),
    dimension_count=st.integers(1, 4096),
    creator_count=st.integers(1, 2**40),
    user_count=st.integers(0, 2**40),
    candidate_count=st.integers(1, 5000),
    emerging_tiers=st.lists(labels, max_size=2).map(tuple),
    creator_columns=columns,
    user_columns=columns,
    profiles=st.builds(lambda weights: {"default": Profile(objective=weights)}, st.dictionaries(labels, st.floats(-9, 9), max_size=2)),
    indexes=st.dictionaries(names, st.dictionaries(labels, json_values, max_size=2), max_size=2).map(lambda d: {"default": {}, **d}),
    rankers=st.just({"default": {"form": "whole"}}),
    recall=st.floats(0, 1),
    dropped=st.dictionaries(labels, st.integers(0, 9), max_size=2),
    left_out=st.lists(labels, max_size=2).map(tuple),
    build=st.dictionaries(labels, json_values, max_size=2),
    files=st.dictionaries(names.map(lambda n: f"creators/{n}.npy"), st.just(RECORD), max_size=3),
)


@given(manifests)
def test_what_is_written_is_read_again(manifest):
    data = manifest.to_bytes()
    assert parse_manifest(data, "manifest.json") == manifest
    assert parse_manifest(data, "manifest.json").to_bytes() == data


def test_the_order_in_which_fields_were_filled_does_not_change_the_bytes():
    one = plain_manifest(files={"a": RECORD, "b": RECORD}, dropped={"x": 1, "y": 2})
    two = plain_manifest(files={"b": RECORD, "a": RECORD}, dropped={"y": 2, "x": 1})
    assert one.to_bytes() == two.to_bytes()


def changed(**fields) -> bytes:
    values = {**plain_manifest().to_json(), **fields}
    return json.dumps({name: value for name, value in values.items() if value is not ...}).encode()


def test_unknown_keys_are_ignored():
    assert parse_manifest(changed(invented_later={"a": 1}), "m") == plain_manifest()


COLUMN = {"name": "heat", "kind": "scalar", "dtype": "float32", "width": 1, "meaning": "number"}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not valid JSON"),
        (b"\xff", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[]", "holds list"),
        (b'{"format": 1, "format": 1}', "'format' is given twice"),
        (plain_manifest().to_bytes().replace(b'"kind": "hnsw"', b'"kind": 1, "kind": 2'), "'kind' is given twice"),
        (plain_manifest().to_bytes().replace(b'"recall": 0.97', b'"recall": NaN'), "NaN is no number"),
        (plain_manifest().to_bytes().replace(b'"recall": 0.97', b'"recall": 1e999'), '"recall" must be a finite number'),
        *((changed(**{name: ...}), f'"{name}" is missing') for name in plain_manifest().to_json()),
        (changed(format=2), '"format" is 2'),
        (changed(format=True), '"format" must be'),
        (changed(format="1"), '"format" must be'),
        (changed(requires=["folding"]), "'folding'.*newer"),
        (changed(requires="x"), '"requires" must be a list'),
        (changed(version=""), '"version"'),
        (changed(version="a\nb"), '"version"'),
        (changed(version=3), '"version" must be a string'),
        (changed(space="l2"), '"space" must be one of cosine, ip'),
        (changed(dimension_count=0), '"dimension_count"'),
        (changed(creator_count=0), '"creator_count"'),
        (changed(creator_count=1.5), '"creator_count"'),
        (changed(user_count=-1), '"user_count"'),
        (changed(recall=1.5), '"recall"'),
        (changed(recall="high"), '"recall"'),
        (changed(emerging_tiers=[1]), '"emerging_tiers"'),
        (changed(creator_columns=[{**COLUMN, "name": "../x"}]), "is no column name"),
        (changed(creator_columns=[{**COLUMN, "dtype": "object"}]), "is no type of a column"),
        (changed(creator_columns=[{**COLUMN, "kind": "cube"}]), '"kind" must be one of'),
        (changed(creator_columns=[{**COLUMN, "meaning": "mood"}]), '"meaning" must be one of'),
        (changed(creator_columns=[{**COLUMN, "width": 0}]), "width 0 cannot be"),
        (changed(creator_columns=[{**COLUMN, "width": 2}]), "width 2 cannot be"),
        (changed(creator_columns=[COLUMN, COLUMN]), "names a column twice"),
        (changed(creator_columns={}), '"creator_columns" must be a list'),
        (changed(user_columns=[3]), r"user_columns\[0\]"),
        (changed(profiles={}), 'no profile named "default"'),
        (changed(profiles={"default": {"index": "other", "ranker": "default", "objective": {}}}), "names the index 'other'"),
        (changed(profiles={"default": {"index": "default", "ranker": "other", "objective": {}}}), "names the ranker 'other'"),
        (
            changed(profiles={"default": {"index": "default", "ranker": "default", "objective": {"p": None}}}),
            'profiles.default.objective: the field "p"',
        ),
        (changed(indexes={"default": {}, "../up": {}}), "no folder name"),
        (changed(rankers={"default": 1}), 'rankers: the field "default" must be an object'),
        (changed(dropped={"x": -1}), 'dropped: the field "x"'),
        (changed(files={"a": {"size": 1}}), '"sha256" is missing'),
        (changed(files={"a": {"size": 1, "sha256": "A" * 64}}), "64 hexadecimal"),
        (changed(files={"a": {"size": "1", "sha256": "a" * 64}}), '"size"'),
    ],
)
def test_a_manifest_that_is_not_as_it_must_be_is_refused(data, words):
    with pytest.raises(ArtifactError, match=words) as caught:
        parse_manifest(data, "b/manifest.json")
    assert caught.value.reason is ArtifactReason.MANIFEST_INVALID
    assert caught.value.file == "b/manifest.json"


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "a//b", "./a", "a/", "", "a\\b", "a\0b", "a\nb", "manifest.json", ".."])
def test_a_file_path_that_leads_out_of_the_bundle_is_unsafe(path):
    with pytest.raises(ArtifactError, match="no plain path") as caught:
        parse_manifest(changed(files={path: {"size": 1, "sha256": "a" * 64}}), "m")
    assert caught.value.reason is ArtifactReason.UNSAFE_ARTIFACT


def test_the_digest_of_the_content_depends_on_every_path_size_and_hash():
    files = {"users/a": FileRecord(1, "1" * 64), "b": FileRecord(2, "2" * 64)}
    others = [{**files, "c": RECORD}, {**files, "b": FileRecord(3, "2" * 64)}, {**files, "b": FileRecord(2, "3" * 64)}, {"b": files["b"]}]
    assert len({content_digest(each) for each in [files, *others]}) == 5
    assert content_digest(dict(reversed(files.items()))) == content_digest(files)


def test_the_user_store_has_a_digest_of_its_own():
    users = {"users/ids.npy": RECORD}
    assert plain_manifest(files=users).users_digest() == plain_manifest(files={**users, "creators/ids.npy": RECORD}).users_digest() != ""
    assert plain_manifest(files={"creators/ids.npy": RECORD}).users_digest() == ""
