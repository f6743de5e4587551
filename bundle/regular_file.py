"""Opens files of a bundle: regular files only, no links, no devices, no pipes that never answer."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

from domain.errors import ArtifactError, ArtifactReason


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
