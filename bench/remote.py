"""A function that lives in a process of its own, so that contestants and load never share an interpreter."""

from __future__ import annotations

import multiprocessing
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

Make = Callable[..., Callable[..., Any]]


class Remote:
    """`make(*arguments)` is called once in a new process; calls are answered there by what it returns, one at a time.

    `make` must be a function of a module; arguments and answers are pickled. Use as a context manager: leaving it ends the process.
    """

    def __init__(self, make: Make, *arguments: object) -> None:
        context = multiprocessing.get_context("spawn")  # never forked: gRPC and onnxruntime do not survive it
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_answer_calls, args=(theirs, make, arguments), daemon=True)
        self._process.start()
        theirs.close()

    def __call__(self, *arguments: object) -> Any:
        """Call the function there. Raises RuntimeError with its traceback when it raised, or when its process has died."""
        self._ours.send(arguments)
        try:
            failure, answer = self._ours.recv()
        except EOFError as gone:
            raise RuntimeError(f"the process died with exit code {self._process.exitcode}") from gone
        if failure:
            raise RuntimeError(failure)
        return answer

    def __enter__(self) -> Remote:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ours.close()
        self._process.join(timeout=10)
        if self._process.is_alive():
            self._process.kill()


def _answer_calls(connection: Connection, make: Make, arguments: tuple[object, ...]) -> None:
    function: Callable[..., Any] | None = None
    while True:
        try:
            call = connection.recv()
        except (EOFError, KeyboardInterrupt):
            return
        try:
            function = function or make(*arguments)
            connection.send(("", function(*call)))
        except Exception:  # noqa: BLE001 - whatever it was, the caller is told
            connection.send((traceback.format_exc(), None))
