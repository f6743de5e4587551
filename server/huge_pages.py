"""Puts what a worker's interpreter keeps onto huge pages.

A search drives everything else out of the caches and the TLB, so the code around it pays for each of its pages anew in every request. glibc asks for
huge pages where it allocates large blocks (server/child.py); what CPython allocates for its small objects nobody asks for, and after the fork each
page that a reference count touches becomes a small one of the worker's own. MADV_COLLAPSE (Linux 6.1, madvise(2)) makes them whole again, once.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

PAGE_BYTES = 2 << 20
MOST_BYTES = 64 << 20  # of one mapping: more is no interpreter, but an index or a table, which all workers share
_COLLAPSE = 25
_SWITCH = "glibc.malloc.hugetlb=1"  # in GLIBC_TUNABLES: one switch for all huge pages


def settle() -> int:
    """Returns how many huge pages were made; 0 where they are switched off, or the system does not know how. Costs about 30 MB and 10 ms a worker."""
    if _SWITCH not in os.environ.get("GLIBC_TUNABLES", ""):
        return 0
    try:
        text = Path("/proc/self/smaps").read_text("ascii", errors="replace")
    except OSError:
        return 0
    advise = ctypes.CDLL(None).madvise
    starts = (start for mapping in dense(text.splitlines()) for start in whole_pages(*mapping))
    return sum(advise(ctypes.c_void_p(start), ctypes.c_size_t(PAGE_BYTES), _COLLAPSE) == 0 for start in starts)


def whole_pages(first: int, last: int) -> range:
    """Where the huge pages begin that fit between the two addresses."""
    return range(-(-first // PAGE_BYTES) * PAGE_BYTES, last - PAGE_BYTES + 1, PAGE_BYTES)


def dense(lines: Iterable[str]) -> Iterator[tuple[int, int]]:
    """(first, one past the last address) of each mapping in /proc/PID/smaps that holds small objects: anonymous, writable, not large, and at least
    half of it in memory. A stack is nearly all empty."""
    first = last = 0
    wanted = False
    for line in lines:
        words = line.split()
        if "-" in words[0] and not words[0].endswith(":"):
            first, last = (int(address, 16) for address in words[0].split("-"))
            anonymous = words[4] == "0" and words[5:] in ([], ["[heap]"])
            wanted = anonymous and words[1] == "rw-p" and PAGE_BYTES <= last - first <= MOST_BYTES
        elif wanted and words[0] == "Rss:" and int(words[1]) * 1024 >= (last - first) / 2:
            yield first, last
