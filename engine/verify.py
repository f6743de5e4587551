"""`earshot verify`: digests, structure and golden requests of a bundle, exactly as a worker proves it before it serves."""

from __future__ import annotations

import time
from pathlib import Path

from bundle.open import Bundle
from domain.errors import ArtifactError, ArtifactReason
from domain.slate import Stage
from domain.stages import Progress
from engine.open import StartOptions, prepare


def verify(path: Path, provider: str, progress: Progress) -> Bundle:
    """The bundle, proved. Raises ArtifactError with the first thing that is wrong, or InputNotFound."""
    prepared = prepare(path, progress)

    def refuse(stage: Stage, failure: Exception) -> None:
        raise ArtifactError(path, ArtifactReason.QUALITY_GATE, f"{stage.name.lower()} failed on a golden request: {failure}") from failure

    progress.start("golden requests", 1)
    prepared.start(StartOptions(provider), time.monotonic, refuse)
    progress.advance(1)
    return prepared.bundle
