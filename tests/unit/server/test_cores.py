"""How many workers a machine or a container gets, and which core each keeps to."""

import math
import time

import pytest

from server.cores import core_of, cpu_quota, usable_core_count, usable_cores
from server.processor_time import LIST_EVERY, ProcessorTime


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"cpu.max": "max 100000"}, math.inf),
        ({"cpu.max": "150000 100000"}, 1.5),
        ({"cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "100000"}, 0.5),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, math.inf),
        ({}, math.inf),
        ({"cpu.max": "nonsense"}, math.inf),
    ],
)
def test_the_quota_of_a_container_is_read_from_either_version_of_control_groups(tmp_path, files, quota):
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text + "\n")
    assert cpu_quota(tmp_path) == quota


def test_a_quota_below_the_cores_decides_how_many_workers_there_are(tmp_path):
    (tmp_path / "cpu.max").write_text("50000 100000")
    assert usable_core_count(tmp_path) == 1
    (tmp_path / "cpu.max").write_text("max 100000")
    assert usable_core_count(tmp_path) == len(usable_cores())


def test_workers_keep_to_a_core_of_their_own_only_where_there_is_one_for_each(tmp_path):
    cores = usable_cores()
    assert [core_of(place, len(cores), tmp_path) for place in range(len(cores))] == cores
    assert core_of(0, len(cores) + 1, tmp_path) is None
    (tmp_path / "cpu.max").write_text("50000 100000")
    assert core_of(0, len(cores), tmp_path) is None


def test_what_a_process_wants_of_the_processor_grows_with_what_it_uses():
    processor = ProcessorTime()
    began_s, used_s = processor.wanted_s(), time.process_time()
    while time.process_time() < used_s + 0.02:
        pass
    assert processor.wanted_s() - began_s >= 0.015


def test_without_the_kernels_figures_it_is_what_was_used(tmp_path):
    (tmp_path / "1").mkdir()
    assert ProcessorTime(tmp_path).wanted_s() <= time.process_time()


def test_threads_that_come_are_counted_and_threads_that_have_gone_are_let_go(tmp_path):
    """As files; the number of Python's threads stays, so a new one is seen when they are listed again."""

    def is_there(name, text):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "schedstat").write_text(text)

    processor = ProcessorTime(tmp_path)
    is_there("1", "2000000000 1000000000 7\n")
    assert processor.wanted_s() == 3.0
    is_there("2", "500000000 0 1\n")
    assert {processor.wanted_s() for _ in range(LIST_EVERY)} == {3.0, 3.5}
    is_there("1", "")
    assert processor.wanted_s() == 0.5
    assert len(processor._files) == 1
