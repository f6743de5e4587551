"""How much memory there is, and what a bundle may take of it. Linux; elsewhere nothing is known, and nothing is limited."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bundle.manifest import Manifest
from domain.errors import ArtifactError, ArtifactReason
from ranking.plan import TABLES_FOLDER

HEADROOM = 1.2  # hnswlib and NumPy keep little beside what they load; a fifth more leaves room for the workers' own
LEAST_ROOM_BYTES = 1 << 30  # below that a limit would hit threads and arenas that only reserve addresses
LOADED = ("indexes/", "rankers/")  # the rest is mapped, and can be given back

_CGROUP = Path("/sys/fs/cgroup")


def check_room(path: Path, manifest: Manifest, whole: bool = False) -> None:
    """Refuse a bundle whose indexes and tables do not fit into the memory that is free: INSUFFICIENT_MEMORY, before anything is loaded.

    whole: whether the rankers are to run whole; the tables of the other form stay on the disk.
    """
    unread = _unread_tables(manifest, whole)
    loaded = sum(record.size for name, record in manifest.files.items() if name.startswith(LOADED) and name not in unread)
    free = free_bytes()
    if free is not None and loaded * HEADROOM > free:
        text = f"needs {loaded * HEADROOM / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are free; stop something, or use a larger machine"
        raise ArtifactError(path, ArtifactReason.INSUFFICIENT_MEMORY, text)


def _unread_tables(manifest: Manifest, whole: bool) -> set[str]:
    """Tables that the chosen form does not gather from."""
    read = set()
    for name, description in manifest.rankers.items():
        taken: Any = (description.get("whole") if whole else None) or description
        read |= {f"rankers/{name}/{TABLES_FOLDER}/{table['file']}" for table in taken.get("tables", ())}
    return {name for name in manifest.files if f"/{TABLES_FOLDER}/" in name} - read


def mapped_bytes(manifest: Manifest, whole: bool) -> int:
    """Of the tables that are left in their files, for who settles near ties: they take addresses, and no memory."""
    if whole:
        return 0
    tables = set()
    for name, description in manifest.rankers.items():
        settling: Any = (description.get("whole") if description.get("near") else None) or {}
        tables |= {f"rankers/{name}/{TABLES_FOLDER}/{table['file']}" for table in settling.get("tables", ())}
    return sum(record.size for name, record in manifest.files.items() if name in tables)


def free_bytes() -> int | None:
    """What can be taken without swapping, or without passing the limit of the container; None when it is not known."""
    known = [number for number in (_available(), _left_of_container()) if number is not None]
    return min(known) if known else None


@contextmanager
def limited(free: int | None, mapped: int = 0) -> Iterator[None]:
    """Inside, an allocation beyond the free memory fails, as MemoryError or whatever a library makes of it, instead of ending processes.

    free: bytes; None limits nothing. mapped: bytes of files that will be mapped besides.
    """
    if free is None:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = _mapped_bytes() + max(free, LEAST_ROOM_BYTES) + mapped
    lower = [limit for limit in (soft, hard, most) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min(lower), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _available() -> int | None:
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return None


def _left_of_container() -> int | None:
    """Of version 2 of control groups; page cache counts as used there, so it is taken off again."""
    with suppress(OSError, ValueError, KeyError):
        limit, used = (int((_CGROUP / name).read_text(encoding="ascii")) for name in ("memory.max", "memory.current"))
        stat = dict(line.split() for line in (_CGROUP / "memory.stat").read_text(encoding="ascii").splitlines())
        return max(0, limit - used + int(stat["inactive_file"]) + int(stat["active_file"]))
    return None


def _mapped_bytes() -> int:
    """The size of this process's address space."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
