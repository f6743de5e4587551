"""Exit codes of the `earshot` command, after sysexits.h where it has one."""

from __future__ import annotations

from enum import IntEnum

from domain.errors import ArtifactError, ConfigurationError, EarshotError, InputNotFound, OutputNotWritable


class ExitCode(IntEnum):
    """What a script can branch on."""

    OK = 0
    FAILURE = 1
    BAD_ARTIFACT = 2
    USAGE = 64
    NO_INPUT = 66
    CANNOT_WRITE = 73
    CONFIGURATION = 78
    INTERRUPTED = 130  # what shells report for SIGINT


def exit_code_of(error: EarshotError) -> ExitCode:
    """The exit code of an error that reached the command line."""
    by_type: tuple[tuple[type[EarshotError], ExitCode], ...] = (
        (InputNotFound, ExitCode.NO_INPUT),
        (ArtifactError, ExitCode.BAD_ARTIFACT),
        (OutputNotWritable, ExitCode.CANNOT_WRITE),
        (ConfigurationError, ExitCode.CONFIGURATION),
    )
    return next((code for kind, code in by_type if isinstance(error, kind)), ExitCode.FAILURE)
