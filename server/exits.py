"""Exit codes of the server's processes, as the command documents them."""

from __future__ import annotations

from domain.errors import ArtifactError, ConfigurationError, EarshotError, InputNotFound

OK = 0
FAILURE = 1
BAD_ARTIFACT = 2
NO_INPUT = 66
CONFIGURATION = 78

# Starting again does not help against these.
LASTING = frozenset({BAD_ARTIFACT, NO_INPUT, CONFIGURATION})


def exit_code(problem: EarshotError) -> int:
    """The exit code that says what kind of problem it was."""
    codes = {ArtifactError: BAD_ARTIFACT, InputNotFound: NO_INPUT, ConfigurationError: CONFIGURATION}
    return next((code for kind, code in codes.items() if isinstance(problem, kind)), FAILURE)
