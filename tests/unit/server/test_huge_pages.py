"""Which mappings of a process hold small objects, and that they come to lie on huge pages."""

import os
import subprocess
import sys

import pytest

from server.huge_pages import MOST_BYTES, PAGE_BYTES, dense

MIB = 1 << 20
AT = 0x7F0000000000


def mapping(size=8 * MIB, rss=8 * MIB, permissions="rw-p", inode=0, name=""):
    head = f"{AT:x}-{AT + size:x} {permissions} 00000000 00:00 {inode} {name}"
    return [head, f"Size: {size >> 10} kB", f"Rss: {rss >> 10} kB", "VmFlags: rd wr mr"]


@pytest.mark.parametrize(
    "kept", [{}, {"name": "[heap]"}, {"rss": 4 * MIB}, {"size": PAGE_BYTES, "rss": PAGE_BYTES}, {"size": MOST_BYTES, "rss": MOST_BYTES}]
)
def test_what_is_full_of_small_objects_is_found(kept):
    assert list(dense(mapping(**kept))) == [(AT, AT + kept.get("size", 8 * MIB))]


@pytest.mark.parametrize(
    "other",
    [
        {"rss": 3 * MIB},  # a stack
        {"permissions": "r--p"},
        {"permissions": "rw-s"},
        {"inode": 17, "name": "/lib/libc.so.6"},
        {"name": "[stack]"},
        {"size": MOST_BYTES + 4096, "rss": MOST_BYTES},  # an index
        {"size": MIB, "rss": MIB},
    ],
)
def test_what_is_not_is_left_alone(other):
    assert list(dense(mapping(**other))) == []
    assert list(dense([*mapping(**other), *mapping()])) == [(AT, AT + 8 * MIB)]


PROGRAM = """
from pathlib import Path
from server import huge_pages
kept = [object() for _ in range(1_000_000)]
before = Path("/proc/self/smaps_rollup").read_text().split("AnonHugePages:")[1].split()[0]
made = huge_pages.settle()
after = Path("/proc/self/smaps_rollup").read_text().split("AnonHugePages:")[1].split()[0]
print(made, int(after) - int(before))
"""


def settled(tunables):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "GLIBC_TUNABLES": tunables}
    answer = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True).stdout
    return tuple(map(int, answer.split()))


def test_small_objects_come_to_lie_on_huge_pages_where_the_system_knows_how():
    made, grown_kb = settled("glibc.malloc.hugetlb=1")
    if not made:
        pytest.skip("this system cannot put mapped memory onto huge pages")
    assert grown_kb >= 2048  # an arena of CPython is 1 MiB: several lie side by side


def test_one_switch_turns_all_huge_pages_off():
    assert settled("glibc.malloc.hugetlb=0") == (0, 0)
