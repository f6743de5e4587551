"""The structural check: good files pass, killers never reach hnswlib, and what passes cannot hurt the process."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from domain.errors import ArtifactError, ArtifactReason
from retrieval.hnsw_build import IndexOptions, build_index
from retrieval.hnsw_file import check_index_file
from retrieval.hnsw_format import HEADER
from retrieval.open import check_index
from tests.unit.retrieval.world import Counting, clustered, creators_of

ROOT = Path(__file__).resolve().parents[3]
MUTATIONS = 600

SURVIVE = """
import sys
from pathlib import Path
import hnswlib, numpy as np
queries = np.random.default_rng(0).normal(size=(20, 16)).astype(np.float32)
for path in sorted(Path(sys.argv[1]).glob("*.bin")):
    index = hnswlib.Index("ip", 16)
    index.load_index(str(path), max_elements=int(sys.argv[2]))
    for query in queries:
        try:
            labels, _ = index.knn_query(query[None], k=40, num_threads=1)
        except RuntimeError:
            continue
        assert labels.max() < int(sys.argv[2]), path
    print(path.name, flush=True)
"""


def built(directory, count=300, **options):
    creators = creators_of(clustered(1, count, 16))
    chosen = IndexOptions(**{"space": "cosine", "candidate_count": 20, "query_count": 50, "recall": 0.1, **options})
    return creators, build_index(creators.embeddings, creators.norms, None, directory, chosen, Counting())


def test_every_index_that_hnswlib_writes_passes(tmp_path):
    """Also those of one element, which may stand on a high level."""
    highest = 0
    for seed in range(60):
        count = (1, 1, 2, 3, 40)[seed % 5]
        _, description = built(tmp_path, count, seed=seed, m=(2, 3, 16)[seed % 3], ef_construction=20)
        check_index_file(tmp_path / "hnsw.bin", description)
        highest = max(highest, int(np.fromfile(tmp_path / "hnsw.bin", HEADER, 1)["max_level"][0]))
    assert highest >= 3


def mutate(random, data, upper_start):
    """One of the ways in which files go bad: bytes, words, runs, lengths; half of them where structure is dense."""
    data = bytearray(data)
    kind = random.integers(0, 6)
    place = int(random.integers(0, HEADER.itemsize)) if random.random() < 0.2 else int(random.integers(0, len(data)))
    if random.random() < 0.25:
        place = int(random.integers(upper_start, len(data)))
    if kind == 0:
        data[place] ^= 1 << int(random.integers(0, 8))
    elif kind == 1:
        data[place : place + 4] = random.bytes(4)
    elif kind == 2:
        data[place : place + 64] = random.bytes(64)
    elif kind == 3:
        del data[place:]
    elif kind == 4:
        data += random.bytes(int(random.integers(1, 100)))
    else:
        data[place - place % 4 : place - place % 4 + 4] = int(random.choice([0, 1, 2**31, 2**32 - 1, 300])).to_bytes(4, "little")
    return bytes(data)


def test_no_mutated_file_that_passes_hurts_the_process(tmp_path):
    _, description = built(tmp_path, m=4)
    path, survivors, random = tmp_path / "hnsw.bin", tmp_path / "survivors", np.random.default_rng(1)
    data = path.read_bytes()
    survivors.mkdir()
    refused, passed, reasons = 0, 0, set()
    upper_start = HEADER.itemsize + 300 * (4 + 8 * 4 + 64 + 8)
    for n in range(MUTATIONS):
        mutated = mutate(random, data, upper_start)
        path.write_bytes(mutated)
        try:
            check_index_file(path, description)
        except ArtifactError as error:
            reasons.add(error.reason)
            refused += 1
        else:
            passed += 1
            (survivors / f"{n:04d}.bin").write_bytes(mutated)
    assert reasons == {ArtifactReason.INDEX_CORRUPT, ArtifactReason.INDEX_MISMATCH}
    assert refused > MUTATIONS // 4
    assert passed > MUTATIONS // 20, "a check that passes nothing shows nothing"
    done = subprocess.run([sys.executable, "-c", SURVIVE, str(survivors), "300"], check=False, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr[-500:]
    assert len(done.stdout.split()) == passed


def header_with(**values):
    def change(data):
        header = np.frombuffer(data[: HEADER.itemsize], HEADER).copy()
        for name, value in values.items():
            header[name] = value
        return header.tobytes() + data[HEADER.itemsize :]

    return change


BROKEN = {
    "empty": lambda data: data[:0],
    "shorter than a header": lambda data: data[:50],
    "truncated": lambda data: data[:-4],
    "trailing bytes": lambda data: data + b"\0\0\0\0",
    "trailing odd byte": lambda data: data + b"\0",
    "random": lambda data: np.random.default_rng(0).bytes(len(data)),
    "no elements": header_with(count=0),
    "huge count": header_with(count=2**63),
    "room below count": header_with(max_elements=10),
    "room above count": header_with(max_elements=2**40),
    "entry point": header_with(entry_point=300),
    "top level": header_with(max_level=40),
    "negative top level": header_with(max_level=-1),
    "vector offset": header_with(vector_offset=8),
    "label offset": header_with(label_offset=2**62),
    "level 0 offset": header_with(level0_offset=4),
    "element size": header_with(element_size=12),
    "M": header_with(m=5),
    "M 0": header_with(m=0, max_m=0, max_m0=0),
    "upper M": header_with(max_m=2**33),
    "level factor": header_with(level_factor=np.nan),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_corrupt_and_named(name, tmp_path):
    _, description = built(tmp_path, m=4)
    path = tmp_path / "hnsw.bin"
    path.write_bytes(BROKEN[name](path.read_bytes()))
    with pytest.raises(ArtifactError, match=r"hnsw\.bin: INDEX_CORRUPT: .*build the bundle again"):
        check_index_file(path, description)


def test_an_absent_file_is_corrupt(tmp_path):
    _, description = built(tmp_path)
    with pytest.raises(ArtifactError, match="INDEX_CORRUPT"):
        check_index_file(tmp_path / "absent.bin", description)


@pytest.mark.parametrize("field", ["count", "padded_dimension_count", "m", "ef_construction"])
def test_a_sound_file_of_another_shape_is_a_mismatch(field, tmp_path):
    _, description = built(tmp_path)
    with pytest.raises(ArtifactError, match="INDEX_MISMATCH"):
        check_index_file(tmp_path / "hnsw.bin", replace(description, **{field: getattr(description, field) * 2}))


def element_of(description):
    neighbours = 2 * description.m
    width = description.padded_dimension_count
    return np.dtype([("count", "<u4"), ("neighbours", "<u4", (neighbours,)), ("vector", "<f4", (width,)), ("label", "<u8")])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda e: e["neighbours"].__setitem__((7, 0), 300), "INDEX_CORRUPT"),
        (lambda e: e["count"].__setitem__(7, 33), "INDEX_CORRUPT"),
        (lambda e: e["count"].__setitem__(7, e["count"][7] | 0x10000), "INDEX_CORRUPT"),  # the deletion mark
        (lambda e: e["label"].__setitem__(7, e["label"][8]), "INDEX_MISMATCH"),
        (lambda e: e["label"].__setitem__(7, 300), "INDEX_MISMATCH"),
        (lambda e: e["vector"].__setitem__((7, 3), np.nan), "INDEX_MISMATCH"),
        (lambda e: e["vector"].__setitem__((7, 3), np.inf), "INDEX_MISMATCH"),
        (lambda e: e["vector"].__setitem__((7, 3), 0.5), "INDEX_MISMATCH"),
        (lambda e: e["vector"].__setitem__((7, 3), -e["vector"][7, 3]), "INDEX_MISMATCH"),
    ],
    ids=["neighbour", "neighbour count", "deleted", "label twice", "label range", "nan", "inf", "other vector", "other sign"],
)
def test_a_changed_element_is_refused_with_the_documented_reason(change, reason, tmp_path):
    creators, description = built(tmp_path)
    elements = np.memmap(tmp_path / "hnsw.bin", element_of(description), "r+", HEADER.itemsize, (300,))
    change(elements)
    elements.flush()
    del elements
    with pytest.raises(ArtifactError, match=reason):
        check_index(tmp_path, description.to_json(), creators)


@pytest.mark.parametrize(
    ("change", "text"), [("neighbour", "does not reach that level"), ("count", "neighbours"), ("length", "bytes of upper levels")]
)
def test_a_changed_upper_level_is_refused(change, text, tmp_path):
    """hnswlib would follow a neighbour to a level that it does not have: a null pointer."""
    _, description = built(tmp_path, m=4)
    path = tmp_path / "hnsw.bin"
    start = HEADER.itemsize + 300 * element_of(description).itemsize
    words = np.memmap(path, "<u4", "r+", start)
    lengths = np.flatnonzero(words)
    first = int(lengths[0])  # its length; then the count of its neighbours on level 1; then the neighbours
    assert words[first] % 20 == 0
    if change == "neighbour":
        element, place = 0, 0
        while words[place]:
            element, place = element + 1, place + 1 + words[place] // 4
        words[first + 2] = element  # the first one that has no upper level
    elif change == "count":
        words[first + 1] = 5
    else:
        words[first] += 4
    words.flush()
    with pytest.raises(ArtifactError, match=f"INDEX_CORRUPT.*{text}"):
        check_index_file(path, description)


def test_an_index_of_another_catalogue_or_metric_is_a_mismatch(tmp_path):
    creators, description = built(tmp_path)
    check_index(tmp_path, description.to_json(), creators)
    with pytest.raises(ArtifactError, match="INDEX_MISMATCH"):
        check_index(tmp_path, description.to_json(), creators_of(clustered(2, 300, 16)))
    with pytest.raises(ArtifactError, match="INDEX_MISMATCH"):
        check_index(tmp_path, replace(description, space="ip").to_json(), creators)
    with pytest.raises(ArtifactError, match="INDEX_MISMATCH"):
        check_index(tmp_path, description.to_json(), creators_of(clustered(1, 299, 16)))
