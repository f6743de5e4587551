"""Threads that talk to callers ask the kernel for short slices, so that they go first when they wake; those that compute do not."""

import ctypes
import os
import platform
import struct
import threading

import pytest

from server import slices

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
def test_threads_inherit_a_short_slice_and_those_that_compute_have_the_usual_one():
    if tuple(map(int, platform.release().split(".")[:2])) < (6, 12):
        pytest.skip("the kernel knows no slices of threads")
    usual_ns = in_a_thread(slice_ns)

    def first():
        assert slices.go_first_on_waking()
        return slice_ns(), in_a_thread(slice_ns), in_a_thread(lambda: (slices.compute(), slice_ns()))

    assert in_a_thread(first) == (slices.SHORT_SLICE_NS, slices.SHORT_SLICE_NS, (True, usual_ns))
    assert usual_ns > slices.SHORT_SLICE_NS


@pytest.mark.skipif(platform.machine() not in GET_ATTRIBUTES or platform.system() != "Linux", reason="as above")
@pytest.mark.parametrize(("own", "wanted"), [(3, 3 + slices.NICER), (19, 19)])
def test_threads_that_compute_have_a_smaller_share(own, wanted):
    def nice():
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    def computing():
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), own)
        return slices.compute(), nice()

    before = nice()
    assert in_a_thread(computing) == (True, wanted)
    assert nice() == before


def test_where_the_system_is_another_nothing_happens(monkeypatch):
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    assert slices.go_first_on_waking() is False
