"""Lets the threads that talk to callers run as soon as they wake up, while a request computes on the same core.

A worker keeps to one core. Its request threads compute there for milliseconds, and the threads that read what callers send wait until the kernel
takes the core away: by default after a slice of about 3 ms, at the next tick. gRPC sends time limits as durations and counts them from when it reads
them, so whatever a call waited to be read comes on top of its deadline, and nobody in the process can know. Since Linux 6.12 a thread that wakes up
goes first when its slice is shorter (EEVDF, PREEMPT_SHORT; sched(7)). So all threads of a worker ask for short ones, but those that compute.

Who goes first still gets no more than his share, and where thousands of calls a second are to be refused, reading and refusing them takes half a
core: more than one thread's share beside two that compute. What is read late is late, then, all of it. So threads that compute are nicer by NICER.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import threading

SHORT_SLICE_NS = 200_000  # reading a message takes less; 0.1 ms is the least that the kernel takes
SYSTEMS_OWN = 0
NICER = 5  # a third of the weight: two that compute leave three fifths of a core to one that reads
LEAST_SHARE = 19  # as nice(2) has it
_SET_ATTRIBUTES = {"x86_64": 314, "aarch64": 274}  # the number of sched_setattr(2), which no library wraps
_FORMAT = "<IIQiIQQQ"  # struct sched_attr: size, policy, flags, nice, priority, runtime, deadline, period


def go_first_on_waking() -> bool:
    """For the calling thread and those that it will start. False where the system does not take it; before Linux 6.12 it changes nothing."""
    return _set_slice(SHORT_SLICE_NS)


def compute() -> bool:
    """For the calling thread: the slice that the system gives to everybody, and a smaller share. Once per thread. As `go_first_on_waking`."""
    return _set_slice(SYSTEMS_OWN, NICER)


def _set_slice(slice_ns: int, nicer: int = 0) -> bool:
    number = _SET_ATTRIBUTES.get(platform.machine()) if platform.system() == "Linux" else None
    if number is None:
        return False
    nice = min(LEAST_SHARE, os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) + nicer)
    attributes = struct.pack(_FORMAT, struct.calcsize(_FORMAT), os.SCHED_OTHER, 0, nice, 0, slice_ns, 0, 0)
    return int(ctypes.CDLL(None).syscall(number, 0, ctypes.create_string_buffer(attributes), 0)) == 0
