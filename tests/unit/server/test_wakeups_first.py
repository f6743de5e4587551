"""Request threads ask the kernel for long slices, so that threads which wake up go first."""

import ctypes
import platform
import struct
import threading

import pytest

from server.wakeups_first import LONG_SLICE_NS, let_wakeups_go_first

GET_ATTRIBUTES = {"x86_64": 315, "aarch64": 275}  # the number of sched_getattr(2)


def slice_ns():
    """Of the calling thread, as the kernel says."""
    attributes = ctypes.create_string_buffer(48)
    assert ctypes.CDLL(None).syscall(GET_ATTRIBUTES[platform.machine()], 0, attributes, 48, 0) == 0
    return struct.unpack_from("<Q", attributes, 24)[0]


def in_a_thread(work):
    found = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


@pytest.mark.skipif(platform.machine() not in GET_ATTRIBUTES or platform.system() != "Linux", reason="the call's number is known on two machines")
def test_the_kernel_gives_the_calling_thread_a_long_slice_and_others_none():
    major, minor = map(int, platform.release().split(".")[:2])
    if (major, minor) < (6, 12):
        pytest.skip("the kernel knows no slices of threads")
    before_ns = in_a_thread(slice_ns)
    assert in_a_thread(lambda: (let_wakeups_go_first(), slice_ns())) == (True, LONG_SLICE_NS)
    assert in_a_thread(slice_ns) == before_ns != LONG_SLICE_NS


def test_where_the_system_is_another_nothing_happens(monkeypatch):
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    assert let_wakeups_go_first() is False
