"""Bundles that do not fit are refused before they are loaded, and nothing that is asked for beyond the free memory ends the process."""

import os
import resource
from dataclasses import replace

import numpy as np
import pytest

from bundle.manifest import FileRecord
from domain.errors import ArtifactError, ArtifactReason, OutputNotWritable, StageFailure
from engine.blame import blaming
from engine.memory import LEAST_ROOM_BYTES, check_room, free_bytes, limited, mapped_bytes
from tests.unit.bundle.files import plain_manifest


def holding(**sizes):
    files = {name.replace("__", "/"): FileRecord(size, "0" * 64) for name, size in sizes.items()}
    return replace(plain_manifest(), files=files)


def test_what_is_loaded_must_fit_and_what_is_mapped_need_not():
    free = free_bytes()
    assert free is not None
    check_room("b", holding(indexes__hnsw=free // 2, creators__embeddings=free * 9))
    with pytest.raises(ArtifactError, match=r"GB are free") as refused:
        check_room("b", holding(indexes__hnsw=free // 2, rankers__table=free // 2))
    assert refused.value.reason is ArtifactReason.INSUFFICIENT_MEMORY


def test_only_the_tables_of_the_form_that_is_served_must_fit():
    free = free_bytes()
    half = "rankers__default__tables__"
    described = {"default": {"tables": [{"file": "a.npy"}], "whole": {"tables": [{"file": "b.npy"}, {"file": "c.npy"}]}}}
    manifest = replace(holding(**{f"{half}{name}.npy": free // 2 for name in "abc"}), rankers=described)
    check_room("b", manifest)
    with pytest.raises(ArtifactError, match=r"GB are free"):
        check_room("b", manifest, whole=True)


def test_tables_that_settle_near_ties_take_addresses_and_no_memory(tmp_path):
    (tmp_path / "b.npy").write_bytes(b"")
    os.truncate(tmp_path / "b.npy", 2 * LEAST_ROOM_BYTES)
    described = {"tables": [{"file": "a.npy"}], "whole": {"tables": [{"file": "b.npy"}]}, "near": 1e-6}
    files = holding(**{f"rankers__default__tables__{name}.npy": 2 * LEAST_ROOM_BYTES for name in "ab"})
    manifest = replace(files, rankers={"default": described})
    assert mapped_bytes(manifest, whole=False) == 2 * LEAST_ROOM_BYTES
    assert mapped_bytes(manifest, whole=True) == 0
    assert mapped_bytes(replace(files, rankers={"default": described | {"near": 0.0}}), whole=False) == 0
    with limited(0), pytest.raises(OSError, match="memory"):
        np.memmap(tmp_path / "b.npy", np.uint8, "r")
    with limited(0, mapped_bytes(manifest, whole=False)):
        np.memmap(tmp_path / "b.npy", np.uint8, "r")


def test_an_allocation_beyond_the_free_memory_fails_and_the_limit_is_lifted_again():
    before = resource.getrlimit(resource.RLIMIT_AS)
    with limited(0):  # which still leaves LEAST_ROOM_BYTES
        np.zeros(1 << 20)
        with pytest.raises(MemoryError):
            np.empty(2 * LEAST_ROOM_BYTES, np.uint8)
    np.empty(2 * LEAST_ROOM_BYTES, np.uint8)
    assert resource.getrlimit(resource.RLIMIT_AS) == before


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (KeyError("x"), "MANIFEST_INVALID"),
        (RecursionError("deep"), "MANIFEST_INVALID"),
        (StageFailure("retrieve broke"), "MANIFEST_INVALID"),
        (MemoryError(), "INSUFFICIENT_MEMORY"),
        (ArtifactError("f", ArtifactReason.INDEX_CORRUPT, "t"), "INDEX_CORRUPT"),
        (OutputNotWritable("f", "full"), "OUTPUT_NOT_WRITABLE"),
    ],
)
def test_whatever_goes_wrong_is_blamed_on_the_file_in_one_line(problem, reason):
    with pytest.raises((ArtifactError, OutputNotWritable)) as refused, blaming("b", ArtifactReason.MANIFEST_INVALID, "opening it"):
        raise problem
    file, told, _ = refused.value.line().split(": ", 2)
    assert (told, "\n" in refused.value.line()) == (reason, False)
    assert file == ("f" if isinstance(problem, (ArtifactError, OutputNotWritable)) else "b")


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_a_request_to_stop_is_nobodys_fault(end):
    with pytest.raises(end), blaming("b", ArtifactReason.MANIFEST_INVALID, "opening it"):
        raise end
