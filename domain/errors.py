"""Everything that can go wrong, one class per decision that a caller can take.

EarshotError
|-- RequestError                the call cannot be answered; server/rpc/errors.py maps it to a canonical code
|   |-- InvalidRequest          fix the call
|   |-- UnknownUser             send an embedding, or another id
|   |-- EmbeddingSpaceMismatch  embed again in the bundle's space
|   |-- BundleNotLoaded         unpin, or load that bundle
|   |-- DeadlinePassed          no time was left
|   |-- Canceled                the caller has gone
|   |-- Overloaded              come back later
|   |-- NotServing              draining, or not ready
|   |-- UnknownService          ask about a service that is there
|   |-- QuotaExceeded           come less often
|   `-- LimitReached            do less at a time
|-- StageFailure                a stage broke its contract; the stage wrapper degrades or gives up
|-- ArtifactError               a file that build, verify or serve reads is bad
|-- InputNotFound               ... or absent
|-- OutputNotWritable           the place to write to is taken, or full
`-- ConfigurationError          correct the settings
The command line has an exit code for each of the last four.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class EarshotError(Exception):
    """The base of every error that Earshot raises on purpose. Its text says what was wrong, with which value, and what to do.

    WHERE and REASON stand in front of the text in `line`, for the kinds that name neither by themselves.
    """

    WHERE = "earshot"
    REASON = "FAILED"

    def line(self) -> str:
        """`<file>: <REASON>: <text>`, as people are told: one line, whatever names and values it quotes."""
        return printable(f"{self.WHERE}: {self.REASON}: {self}")


def printable(text: str) -> str:
    """The text without what would break a line, or a terminal."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class RequestError(EarshotError):
    """A call that cannot be answered. `metadata` repeats whatever is dynamic in the text; it crosses the wire, so no secrets in it."""

    def __init__(self, message: str, metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = dict(metadata or {})


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field of a request that breaks a documented rule. `field` is its path as in the proto: `user.features["age"]`."""

    field: str
    description: str


class InvalidRequest(RequestError):
    """The request breaks a documented rule."""

    def __init__(self, *violations: FieldViolation) -> None:
        super().__init__("; ".join(f"{v.field}: {v.description}" for v in violations) or "the request does not decode")
        self.violations = violations


class UnknownUser(RequestError):
    """No such user, and the request brings no embedding."""


class EmbeddingSpaceMismatch(RequestError):
    """None of the request's embeddings is in the space of the bundle."""


class BundleNotLoaded(RequestError):
    """The pinned bundle version is not the one loaded."""


class DeadlinePassed(RequestError):
    """The deadline passed before an answer was possible."""


class Canceled(RequestError):
    """The caller canceled the call."""


class Overloaded(RequestError):
    """The server sheds load."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message, {"retry_after_s": f"{retry_after_s:g}"})
        self.retry_after_s = retry_after_s


class QuotaExceeded(RequestError):
    """The caller makes more calls than it may."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message, {"retry_after_s": f"{retry_after_s:g}"})
        self.retry_after_s = retry_after_s


class NotServing(RequestError):
    """The server is draining or not ready yet."""


class UnknownService(RequestError):
    """Health was asked about a service that is not here."""


class LimitReached(RequestError):
    """A fixed limit of the server is reached, such as that of open streams."""


class StageFailure(EarshotError):
    """A stage raised something unforeseen or broke the row law."""


class ArtifactReason(StrEnum):
    """The REASON of `error: <file>: <REASON>: <text>`."""

    INPUT_INVALID = "INPUT_INVALID"
    MANIFEST_INVALID = "MANIFEST_INVALID"
    CHECKSUM_MISMATCH = "CHECKSUM_MISMATCH"
    INDEX_CORRUPT = "INDEX_CORRUPT"
    INDEX_MISMATCH = "INDEX_MISMATCH"
    QUALITY_GATE = "QUALITY_GATE"
    UNSAFE_ARTIFACT = "UNSAFE_ARTIFACT"
    FEATURES_INVALID = "FEATURES_INVALID"
    BINDING_INVALID = "BINDING_INVALID"
    MODEL_INVALID = "MODEL_INVALID"
    MODEL_UNSUPPORTED = "MODEL_UNSUPPORTED"
    MODEL_FORBIDDEN_OP = "MODEL_FORBIDDEN_OP"
    MODEL_EXTERNAL_DATA = "MODEL_EXTERNAL_DATA"
    MODEL_SIGNATURE = "MODEL_SIGNATURE"
    INSUFFICIENT_MEMORY = "INSUFFICIENT_MEMORY"


class FileError(EarshotError):
    """Something about one file, which the text begins with."""

    def __init__(self, file: object, reason: str, text: str) -> None:
        super().__init__(f"{file}: {reason}: {text}")
        self.file = str(file)
        self.text = text

    def line(self) -> str:
        """As of every error; the text names file and reason already."""
        return printable(str(self))


class ArtifactError(FileError):
    """A file is not what it must be. Printed as `error: <file>: <REASON>: <text>`, exit code 2.

    example: what the file could hold instead, where that can be said; several lines, printed on stdout.
    """

    def __init__(self, file: object, reason: ArtifactReason, text: str, example: str = "") -> None:
        super().__init__(file, reason, text)
        self.reason = reason
        self.example = example


class InputNotFound(FileError):
    """A file that was named on the command line does not exist or cannot be read. Exit code 66."""

    def __init__(self, file: object, text: str) -> None:
        super().__init__(file, "INPUT_NOT_FOUND", text)


class OutputNotWritable(FileError):
    """The place to write to exists already, or cannot be written. Exit code 73."""

    def __init__(self, file: object, text: str) -> None:
        super().__init__(file, "OUTPUT_NOT_WRITABLE", text)


class ConfigurationError(EarshotError):
    """A setting is unknown, malformed, or contradicts another. Exit code 78."""

    WHERE = "settings"
    REASON = "CONFIGURATION_INVALID"


class ProviderUnavailable(ConfigurationError):
    """The execution provider that was asked for is not there; Earshot never falls back in silence."""

    REASON = "PROVIDER_UNAVAILABLE"
