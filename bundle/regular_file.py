"""Opens files of a bundle: regular files only, no links, no devices, no pipes that never answer."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

from domain.errors import ArtifactError, ArtifactReason

MOST_JSON_BYTES = 64 << 20  # a manifest of a hundred thousand files: no build writes more


def open_regular(path: Path) -> BufferedReader:
    """The file, opened for reading. A link or anything else that is no regular file is UNSAFE_ARTIFACT, an absent one CHECKSUM_MISMATCH."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise ArtifactError(path, ArtifactReason.CHECKSUM_MISMATCH, "the file is absent; copy or build the bundle again") from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ArtifactError(path, ArtifactReason.UNSAFE_ARTIFACT, "is a symbolic link; a bundle holds regular files only") from None
        raise ArtifactError(path, ArtifactReason.UNSAFE_ARTIFACT, f"cannot be opened: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ArtifactError(path, ArtifactReason.UNSAFE_ARTIFACT, "is no regular file; a bundle holds regular files only")
    return os.fdopen(descriptor, "rb")


def read_json_bytes(path: Path, reason: ArtifactReason) -> bytes:
    """The content of a file that is read whole; ArtifactError with `reason` when it is larger than any build writes."""
    with open_regular(path) as file:
        data = file.read(MOST_JSON_BYTES + 1)
    if len(data) > MOST_JSON_BYTES:
        raise ArtifactError(path, reason, f"is larger than {MOST_JSON_BYTES} bytes; no build made it")
    return data
