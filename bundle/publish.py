"""Makes a bundle appear in one piece, or not at all."""

from __future__ import annotations

import dataclasses
import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from bundle.layout import MANIFEST
from bundle.manifest import FileRecord, Manifest
from domain.errors import OutputNotWritable

_ATTEMPT_COUNT = 100
_CANNOT_WRITE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, errno.EIO})


class Draft:
    """A directory beside `out` in which a bundle is made. Context manager, one thread.

    Entering raises OutputNotWritable when `out` exists or its parent cannot be written, and clears what builds that died left behind.
    Leaving without `publish` (failure, Ctrl-C) removes the directory; a failed write inside leaves as OutputNotWritable. While it lives the
    directory is held under a lock, so that no other build takes it for dead.
    """

    def __init__(self, out: Path) -> None:
        self.out = Path(os.path.abspath(out))  # noqa: PTH100 - resolve() would follow a link at `out` itself
        self.path = self.out
        self._lock = -1
        self._published = False
        self._hashed: dict[Path, tuple[tuple[int, int], FileRecord]] = {}

    def __enter__(self) -> Draft:
        self._check_free()
        try:
            self._remove_leftovers()
            self.path = self._make_directory()
        except OSError as error:
            raise self._not_writable(error) from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if not self._published:
            shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)
        if isinstance(error, OSError) and error.errno in _CANNOT_WRITE:
            raise self._not_writable(error) from error

    def file_records(self) -> dict[str, FileRecord]:
        """Size and sha256 of every file so far, by path relative to the draft. Files that did not change since are not hashed again."""
        return {path.relative_to(self.path).as_posix(): self._record(path) for path in sorted(_files_below(self.path))}

    def publish(self, manifest: Manifest) -> Manifest:
        """Complete the manifest with every file, write it last, make all of it durable, and rename the draft to `out`. Returns what was written."""
        complete = dataclasses.replace(manifest, files=self.file_records())
        (self.path / MANIFEST).write_bytes(complete.to_bytes())
        for path in [*_files_below(self.path), *_directories_below(self.path), self.path]:
            _sync(path)
        self._check_free()
        try:
            self.path.rename(self.out)
            self._published = True
            _sync(self.out.parent)
        except OSError as error:
            raise self._not_writable(error) from error
        return complete

    def _check_free(self) -> None:
        if os.path.lexists(self.out):
            raise OutputNotWritable(self.out, "exists already; bundles never change: give another --out, or remove it first")
        if not self.out.parent.is_dir():
            raise OutputNotWritable(self.out.parent, "is no directory; make it first, or give another --out")

    def _make_directory(self) -> Path:
        for attempt in range(_ATTEMPT_COUNT):
            path = self.out.with_name(f".{self.out.name}.{os.getpid()}-{attempt}.partial")
            try:
                path.mkdir()
            except FileExistsError:
                continue
            lock = _try_lock(path)
            if lock is not None:
                self._lock = lock
                return path
        raise OutputNotWritable(self.out.parent, f"is full of unfinished builds of {self.out.name}; remove .{self.out.name}.*.partial")

    def _remove_leftovers(self) -> None:
        """A directory whose lock is free belongs to a build that died."""
        for path in self.out.parent.glob(f".{_literal(self.out.name)}.*.partial"):
            lock = _try_lock(path)
            if lock is not None:
                shutil.rmtree(path, ignore_errors=True)
                os.close(lock)

    def _record(self, path: Path) -> FileRecord:
        status = path.stat()
        state = (status.st_size, status.st_mtime_ns)
        known = self._hashed.get(path)
        if known is None or known[0] != state:
            with path.open("rb") as file:
                known = (state, FileRecord(status.st_size, hashlib.file_digest(file, "sha256").hexdigest()))
            self._hashed[path] = known
        return known[1]

    def _not_writable(self, error: OSError) -> OutputNotWritable:
        fix = "free some space, or give another --out" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "give another --out"
        return OutputNotWritable(self.out, f"cannot be written: {error.strerror or error}; {fix}")


def _literal(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _try_lock(path: Path) -> int | None:
    """An open, locked descriptor of a directory, or None when it is gone or somebody else holds it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _files_below(root: Path) -> Iterator[Path]:
    for directory, _, names in os.walk(root):
        yield from (Path(directory, name) for name in names)


def _directories_below(root: Path) -> Iterator[Path]:
    for directory, names, _ in os.walk(root, topdown=False):
        yield from (Path(directory, name) for name in names)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
