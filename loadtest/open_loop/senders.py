"""Runs the sending processes of a trial, and watches the server's CPU meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import chain

from loadtest.open_loop.process_tree import tree_cpu_s
from loadtest.open_loop.trial import Samples, Trial, merged

START_DELAY_S = 0.1  # long enough for every process to hear of it
GRACE_S = 20.0  # beyond the planned time, before a sender that does not end is killed


class GeneratorFailed(Exception):
    """A sender ended without samples. The message has what it wrote last."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Samples of a whole trial, warm-up included. server_cores: CPU seconds per second of the server's processes after the warm-up; None: unknown."""

    samples: Samples
    server_cores: float | None


def run_trial(trial: Trial, server_pid: int | None = None) -> Measured:
    """Make the calls. server_pid: the root of the server's process tree. Raises GeneratorFailed."""
    return run_trials([trial], server_pid)[0]


def run_trials(trials: Sequence[Trial], server_pid: int | None = None, begin: Callable[[], None] = lambda: None) -> list[Measured]:
    """Several kinds of calls side by side, all of the same length, each from processes of its own; the server's CPU is that of all of them.

    begin: called when the warm-up is over, on this thread; it should be quick.
    """
    with ExitStack() as stack:
        started = [[_started(trial, number, stack) for number in range(trial.process_count)] for trial in trials]
        for process in chain.from_iterable(started):
            if _line_of(process).strip() != "ready":
                raise GeneratorFailed(_last_words(process))
        start_s = time.monotonic() + START_DELAY_S
        for process in chain.from_iterable(started):
            _tell(process, f"{start_s!r}\n")
        server_cores = _watch(server_pid, start_s + trials[0].warm_up_s, trials[0].duration_s, begin)
        parts = [[_samples_of(process, trial) for process in processes] for trial, processes in zip(trials, started, strict=True)]
    return [Measured(merged(samples), server_cores) for samples in parts]


def _started(trial: Trial, number: int, stack: ExitStack) -> subprocess.Popen[str]:
    """A sender that has its order; killed and waited for when the stack ends."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "loadtest.open_loop.sender"]
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)  # noqa: S603 - our own interpreter
    stack.enter_context(process)
    stack.callback(process.kill)
    _tell(process, json.dumps({"trial": asdict(trial), "number": number}) + "\n")
    return process


def _tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line)
    process.stdin.flush()


def _line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def _samples_of(process: subprocess.Popen[str], trial: Trial) -> Samples:
    try:
        printed, complaint = process.communicate(timeout=trial.warm_up_s + trial.duration_s + trial.deadline_s + GRACE_S)
    except subprocess.TimeoutExpired:
        raise GeneratorFailed(f"a sender did not end within {GRACE_S:g} s of its plan; it was killed") from None
    if process.returncode:
        raise GeneratorFailed(_last_line(complaint))
    return Samples(**json.loads(printed))


def _watch(server_pid: int | None, from_s: float, duration_s: float, begin: Callable[[], None]) -> float | None:
    """Cores that the server used from `from_s` (monotonic) on; sleeps until then, and calls `begin`."""
    time.sleep(max(0.0, from_s - time.monotonic()))
    begin()
    before_s, started_s = tree_cpu_s(server_pid), time.monotonic()
    time.sleep(duration_s)
    after_s, ended_s = tree_cpu_s(server_pid), time.monotonic()
    return None if before_s is None or after_s is None else max(0.0, after_s - before_s) / (ended_s - started_s)


def _last_words(process: subprocess.Popen[str]) -> str:
    process.kill()
    return _last_line(process.communicate()[1])


def _last_line(complaint: str) -> str:
    return f"a sender failed: {complaint.strip().splitlines()[-1] if complaint.strip() else 'it said nothing'}"
