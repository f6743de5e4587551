"""Keeps processors awake while something is measured on them.

A virtual core that has nothing to do is given back to its host, and takes 0.2 to 1.5 ms to come again: on a machine that is hardly asked, every call
would pay that at the server and again at the load generator, on top of a deadline of 5 ms. Linux takes the wish for none of that as a latency of 0 in
/dev/cpu_dma_latency (Documentation/power/pm_qos_interface.rst), as long as the file is open; cyclictest wishes the same while it measures.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

LATENCY_FILE = Path("/dev/cpu_dma_latency")
NO_LATENCY = (0).to_bytes(4, "little")


@contextmanager
def awake(path: Path = LATENCY_FILE) -> Iterator[bool]:
    """Whether processors stay awake within: False where the system has no such wish, or does not take it from us (root may)."""
    with ExitStack() as stack:
        taken = False
        with suppress(OSError):
            file = stack.enter_context(path.open("r+b", buffering=0))
            taken = file.write(NO_LATENCY) == len(NO_LATENCY)
        yield taken
