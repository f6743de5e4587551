"""The generation as the control process sees it: a child process, its lifeline and its reports."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

from server.assignment import Assignment
from server.reports import Report, ReportReader

# One compute thread per request thread: pools that NumPy's BLAS or OpenMP would start do not survive a fork, and only fight each other.
# Few malloc arenas keep what a worker has of its own small.
CHILD_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
    "GRPC_VERBOSITY": "NONE",  # its C core writes lines of its own for every caller that speaks another protocol
}

# Where the environment says nothing else. Huge pages for large blocks, the index above all: its search jumps through hundreds of megabytes, and
# with pages of 4 KiB misses the TLB at each jump (docs/adr/0006-worker-memory-cores-and-counters.md).
# And gRPC wakes the thread that polls for events by a condition variable: by a pipe, which it writes to under a lock, that thread wakes up only to
# wait for the lock (docs/adr/0009-reception.md).
CHILD_DEFAULTS = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1", "GRPC_EXPERIMENTS": "pollset_alternative"}


class GenerationChild:
    """Started in the main thread: its death signal follows the thread that forked it."""

    def __init__(self, assignment: Assignment) -> None:
        reader, writer = os.pipe()
        # A session of its own: Ctrl-C in a terminal reaches the control process alone, which then stops the others in order.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "server.generation"],  # -P: never a package that happens to lie in the working directory
            stdin=subprocess.PIPE,
            pass_fds=(writer, assignment.board_fd),
            start_new_session=True,
            env={**CHILD_DEFAULTS, **os.environ, **CHILD_ENVIRONMENT, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        os.close(writer)
        self.reports = ReportReader(reader)
        self.pid = self._process.pid
        assert self._process.stdin is not None
        try:
            replace(assignment, report_fd=writer).write(self._process.stdin)
        except BrokenPipeError:
            return  # it died at once, which its exit will tell

    def read(self) -> list[Report]:
        """What it told since the last time."""
        return self.reports.read()

    def exit_code(self) -> int | None:
        """The exit code once it is gone and its workers, which hold the reporting pipe too; None before. Negative: the signal that killed it."""
        return self._process.poll() if self.reports.ended else None

    def send_signal(self, number: int) -> None:
        """Signal the generation, which signals its workers."""
        self._process.send_signal(number)

    def close(self) -> None:
        """Let go of the pipes of a generation that is gone."""
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self.reports.close()
