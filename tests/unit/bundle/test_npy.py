"""Array files: what is written comes back, what was tampered with is refused, headers are never evaluated."""

import io
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bundle.npy import NpyWriter, open_npy, write_npy
from domain.errors import ArtifactError, ArtifactReason

DTYPES = ["<i1", "<i2", "<i4", "<i8", "<u1", "<u2", "<u4", "<u8", "<f2", "<f4", "<f8", "?", "S1", "S17", "S256"]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(DTYPES), st.lists(st.integers(0, 5), max_size=4), st.sampled_from([(), (1,), (7,), (64,)]), st.integers(0, 2**32 - 1))
def test_rows_written_in_pieces_come_back_as_one_array_that_numpy_reads_too(dtype, lengths, row_shape, seed):
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    pieces = [_random(rng, kind, (length, *row_shape)) for length in lengths]
    whole = np.concatenate([np.empty((0, *row_shape), kind), *pieces])
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "x.npy"
        with NpyWriter(path, kind, row_shape) as writer:
            for piece in pieces:
                writer.append(piece)
        found = open_npy(path, kind, whole.shape)
        assert found.tobytes() == whole.tobytes() == np.load(path).tobytes()
        assert found.dtype == kind
        assert type(found) is np.ndarray
        assert not found.flags.writeable


def _random(rng, kind, shape):
    size = int(np.prod(shape)) * kind.itemsize
    if kind.kind == "?" or kind == np.bool_:
        return rng.integers(0, 2, shape).astype(np.bool_)
    return np.frombuffer(rng.bytes(size), kind).reshape(shape)


def saved(array, **options) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)
GOOD = saved(VALUES)
ZIPPED = io.BytesIO()
np.savez(ZIPPED, VALUES)


@pytest.mark.parametrize(
    ("content", "reason", "words"),
    [
        (saved(np.array([{}], object)), "UNSAFE_ARTIFACT", "objects"),
        (saved(np.zeros(2, [("a", "<f4")])), "FEATURES_INVALID", "no array file"),
        (saved(VALUES.astype(">f4")), "FEATURES_INVALID", "'>f4'"),
        (saved(np.asfortranarray(VALUES)), "FEATURES_INVALID", "Fortran"),
        (saved(VALUES.astype("U3")), "FEATURES_INVALID", "only little-endian"),
        (saved(VALUES.astype("c8")), "FEATURES_INVALID", "only little-endian"),
        (saved(VALUES.astype("<f8")), "FEATURES_INVALID", "holds float64, not float32"),
        (saved(VALUES[:1]), "FEATURES_INVALID", "shape"),
        (saved(VALUES.ravel()), "FEATURES_INVALID", "shape"),
        (saved(VALUES[:, :2]), "FEATURES_INVALID", "shape"),
        (GOOD[:-1], "FEATURES_INVALID", "bytes long"),
        (GOOD + b"\0", "FEATURES_INVALID", "bytes long"),
        (GOOD[:60], "FEATURES_INVALID", "no array file"),
        (b"", "FEATURES_INVALID", "no array file"),
        (b"\x93NUMPY\x02" + GOOD[7:], "FEATURES_INVALID", "no array file"),
        (GOOD.replace(b"(2, 3)", b"(2,-3)"), "FEATURES_INVALID", "no array file"),
        (GOOD.replace(b"'shape': (2, 3)", b"'shape': f(2,3)"), "FEATURES_INVALID", "no array file"),
        (GOOD.replace(b"(2, 3), }   ", b"(2, 9999), }"), "FEATURES_INVALID", "shape"),
        (ZIPPED.getvalue(), "FEATURES_INVALID", "no array file"),
        (b"\x80\x04.", "FEATURES_INVALID", "no array file"),
    ],
)
def test_a_file_that_is_not_the_array_it_should_be_is_refused(tmp_path, content, reason, words):
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=words) as caught:
        open_npy(path, np.float32, (2, 3))
    assert caught.value.reason == reason
    assert caught.value.file == str(path)


def test_random_damage_is_refused_or_harmless(tmp_path):
    rng = np.random.default_rng(3)
    path = tmp_path / "x.npy"
    for _ in range(500):
        content = bytearray(GOOD)
        content[rng.integers(128)] = rng.integers(256)
        path.write_bytes(content)
        try:
            found = open_npy(path, np.float32, (2, 3))
        except ArtifactError:
            continue
        assert found.tobytes() == VALUES.tobytes()


def test_only_regular_files_are_opened(tmp_path):
    write_npy(tmp_path / "real.npy", VALUES)
    (tmp_path / "link.npy").symlink_to(tmp_path / "real.npy")
    os.mkfifo(tmp_path / "pipe.npy")
    (tmp_path / "folder.npy").mkdir()
    for name, reason in [
        ("link", ArtifactReason.UNSAFE_ARTIFACT),
        ("pipe", ArtifactReason.UNSAFE_ARTIFACT),
        ("folder", ArtifactReason.UNSAFE_ARTIFACT),
        ("absent", ArtifactReason.CHECKSUM_MISMATCH),
    ]:
        with pytest.raises(ArtifactError) as caught:
            open_npy(tmp_path / f"{name}.npy", np.float32, (2, 3))
        assert caught.value.reason is reason


def test_a_writer_takes_its_own_type_and_shape_only_and_never_replaces_a_file(tmp_path):
    path = tmp_path / "x.npy"
    with NpyWriter(path, np.float32, (3,)) as writer:
        for wrong in (VALUES.astype(np.float64), VALUES[:, :2], VALUES.ravel()):
            with pytest.raises(ValueError, match=r"holds float32 rows of shape \(3,\)"):
                writer.append(wrong)
    with pytest.raises(FileExistsError):
        NpyWriter(path, np.float32)
