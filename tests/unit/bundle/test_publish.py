"""A bundle appears in one piece or not at all."""

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bundle.manifest import FileRecord, parse_manifest
from bundle.publish import Draft
from domain.errors import OutputNotWritable
from tests.unit.bundle.files import plain_manifest

REPOSITORY = Path(__file__).parents[3]


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def build(out, finish):
    with Draft(out) as draft:
        (draft.path / "x").write_bytes(b"abc")
        finish(draft)


def fail_with(error):
    def finish(draft):
        raise error

    return finish


def test_a_published_bundle_lists_every_file_with_size_and_sha256(tmp_path):
    with Draft(tmp_path / "out") as draft:
        (draft.path / "creators").mkdir()
        (draft.path / "creators" / "x").write_bytes(b"abc")
        (draft.path / "y").write_bytes(b"")
        written = draft.publish(plain_manifest())
    assert written.files == {
        "creators/x": FileRecord(3, hashlib.sha256(b"abc").hexdigest()),
        "y": FileRecord(0, hashlib.sha256(b"").hexdigest()),
    }
    assert parse_manifest((tmp_path / "out" / "manifest.json").read_bytes(), "m") == written
    assert names(tmp_path) == ["out"]


def test_records_follow_files_that_change_after_they_were_asked_for(tmp_path):
    with Draft(tmp_path / "out") as draft:
        (draft.path / "x").write_bytes(b"one")
        before = draft.file_records()["x"]
        (draft.path / "x").write_bytes(b"other")
        after = draft.publish(plain_manifest()).files["x"]
    assert before.sha256 == hashlib.sha256(b"one").hexdigest()
    assert after.sha256 == hashlib.sha256(b"other").hexdigest()


@pytest.mark.parametrize("error", [ValueError("bad"), KeyboardInterrupt()])
def test_failure_and_interruption_leave_nothing_behind(tmp_path, error):
    with pytest.raises(type(error)):
        build(tmp_path / "out", fail_with(error))
    assert names(tmp_path) == []


def test_a_draft_that_is_left_without_publishing_leaves_nothing(tmp_path):
    build(tmp_path / "out", lambda _: None)
    assert names(tmp_path) == []


@pytest.mark.parametrize("make", [lambda out: out.mkdir(), lambda out: out.write_bytes(b""), lambda out: out.symlink_to("nowhere")])
def test_what_exists_is_never_replaced(tmp_path, make):
    make(tmp_path / "out")
    with pytest.raises(OutputNotWritable, match="exists already"), Draft(tmp_path / "out"):
        pass
    assert names(tmp_path) == ["out"]


def test_what_appeared_in_the_meantime_is_never_replaced(tmp_path):
    def publish_too_late(draft):
        (tmp_path / "out").mkdir()
        draft.publish(plain_manifest())

    with pytest.raises(OutputNotWritable, match="exists already"):
        build(tmp_path / "out", publish_too_late)
    assert names(tmp_path / "out") == []
    assert names(tmp_path) == ["out"]


def test_a_missing_parent_is_named(tmp_path):
    with pytest.raises(OutputNotWritable, match="no directory"), Draft(tmp_path / "absent" / "out"):
        pass


def test_a_full_disk_is_reported_as_such_and_cleaned_up(tmp_path):
    with pytest.raises(OutputNotWritable, match="No space left on device"):
        build(tmp_path / "out", lambda _: Path("/dev/full").write_bytes(b"x"))
    assert names(tmp_path) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_parent_that_cannot_be_written_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputNotWritable, match="cannot be written"), Draft(tmp_path / "out"):
        pass


def test_modes_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        with Draft(tmp_path / "out") as draft:
            draft.publish(plain_manifest())
    finally:
        os.umask(before)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "out" / "manifest.json").stat().st_mode & 0o777 == 0o640


BUILD = """
import sys, time
from pathlib import Path
from bundle.publish import Draft
with Draft(Path(sys.argv[1])) as draft:
    (draft.path / "x").write_bytes(b"abc")
    print("ready", flush=True)
    time.sleep(60)
"""


def running_build(out):
    process = subprocess.Popen([sys.executable, "-c", BUILD, str(out)], cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_build_that_is_killed_leaves_nothing_at_out_and_the_next_one_clears_its_remains(tmp_path):
    with running_build(tmp_path / "out") as process:
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "out").exists()
    (remains,) = tmp_path.iterdir()
    assert remains.name.startswith(".out.")
    with Draft(tmp_path / "out") as draft:
        assert [path.name for path in tmp_path.iterdir()] == [draft.path.name]
        assert list(draft.path.iterdir()) == []
        draft.publish(plain_manifest())
    assert names(tmp_path) == ["out"]


def test_a_build_that_runs_elsewhere_is_left_alone(tmp_path):
    with running_build(tmp_path / "out") as process:
        (theirs,) = tmp_path.iterdir()
        with Draft(tmp_path / "out") as draft:
            assert draft.path != theirs
            draft.publish(plain_manifest())
        assert (theirs / "x").read_bytes() == b"abc"
        process.send_signal(signal.SIGINT)
    assert names(tmp_path) == ["out"]


def test_names_with_wildcards_do_not_clear_the_drafts_of_others(tmp_path):
    other = tmp_path / ".ab.1-0.partial"
    other.mkdir()
    with Draft(tmp_path / "a*"):
        assert other.exists()
    with Draft(tmp_path / "a[b]"):
        assert other.exists()
