"""Whose fault a failure is while a bundle is opened or proved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from domain.errors import ArtifactError, ArtifactReason, ConfigurationError, FileError, RequestError, StageFailure

MAX_TEXT = 300  # characters of a library's complaint


@contextmanager
def blaming(path: Path, reason: ArtifactReason, doing: str) -> Iterator[None]:
    """Everything that goes wrong inside is the fault of the file or bundle at `path`: it leaves as ArtifactError with `reason`.

    The checks name what they know; this catches what is left, a bundle whose parts contradict each other in a way that nobody thought of, so that it
    is refused like any other. FileError and ConfigurationError (a provider that is not there, say) leave as they are.
    """
    try:
        with np.errstate(all="ignore"):  # numbers that cannot be are refused, with more than a warning in front
            yield
    except (FileError, ConfigurationError):
        raise
    except MemoryError as problem:
        text = f"more memory was asked for {doing} than there is; stop something, use a larger machine, or build again"
        raise ArtifactError(path, ArtifactReason.INSUFFICIENT_MEMORY, text) from problem
    except (RequestError, StageFailure) as problem:
        raise ArtifactError(path, reason, f"{doing} failed: {problem}") from problem
    except Exception as problem:
        lines = str(problem).strip().splitlines()
        said = f"{type(problem).__name__}: {lines[0][:MAX_TEXT]}" if lines else type(problem).__name__
        raise ArtifactError(path, reason, f"{doing} failed ({said}); build the bundle again") from problem
