"""Holds the bytes of a bundle against its manifest."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from bundle.layout import MANIFEST
from bundle.manifest import FileRecord, Manifest
from bundle.regular_file import MOST_JSON_BYTES, open_regular
from domain.errors import ArtifactError, ArtifactReason
from domain.stages import Progress

READ_WHOLE = (".json", ".jsonl")  # what is read into memory at once, and must not be a file of nothing but zeros, larger than that


def check_files(path: Path, manifest: Manifest, progress: Progress) -> None:
    """Every listed file is there with its size and sha256, and nothing else is: CHECKSUM_MISMATCH. Links, devices and pipes: UNSAFE_ARTIFACT.
    A manifest that states another checksum than its fields have: MANIFEST_INVALID.

    Reads the whole bundle; progress counts bytes.
    """
    if manifest.checksum != manifest.own_checksum():
        text = (
            f"states the checksum {manifest.checksum!r:.80}, its fields have {manifest.own_checksum()}: it was changed after the build; build again"
        )
        raise ArtifactError(path / MANIFEST, ArtifactReason.MANIFEST_INVALID, text)
    found = dict(_walk(path, ""))
    for name in sorted(found.keys() - manifest.files.keys() - {MANIFEST}):
        raise _mismatch(path / name, "is not listed in the manifest; a bundle never changes: remove the file or build again")
    for name, record in manifest.files.items():
        if name not in found:
            raise _mismatch(path / name, "the file is absent; copy or build the bundle again")
        if name.endswith(READ_WHOLE) and record.size > MOST_JSON_BYTES:
            raise ArtifactError(
                path / name, ArtifactReason.UNSAFE_ARTIFACT, f"is {record.size} bytes long; no build writes more than {MOST_JSON_BYTES}"
            )
        if found[name] != record.size:
            raise _mismatch(path / name, f"is {found[name]} bytes long, the manifest states {record.size}; copy or build the bundle again")
    progress.start("checking files", sum(record.size for record in manifest.files.values()))
    for name, record in manifest.files.items():
        _check_digest(path / name, record)
        progress.advance(record.size)


def _check_digest(path: Path, record: FileRecord) -> None:
    with open_regular(path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != record.sha256:
        raise _mismatch(path, f"has the sha256 {digest}, the manifest states {record.sha256}; copy or build the bundle again")


def _walk(directory: Path, prefix: str) -> Iterator[tuple[str, int]]:
    """(path relative to the bundle, size) of every file below a directory; whatever is neither file nor directory is refused."""
    with os.scandir(directory) as entries:
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            name = f"{prefix}{entry.name}"
            if stat.S_ISDIR(status.st_mode):
                yield from _walk(directory / entry.name, f"{name}/")
            elif stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
                yield name, status.st_size
            else:
                kind = "has a second name (hard link)" if stat.S_ISREG(status.st_mode) else "is a link or a device"
                raise ArtifactError(directory / entry.name, ArtifactReason.UNSAFE_ARTIFACT, f"{kind}; a bundle holds plain files of its own: copy it")


def _mismatch(path: Path, text: str) -> ArtifactError:
    return ArtifactError(path, ArtifactReason.CHECKSUM_MISMATCH, text)
