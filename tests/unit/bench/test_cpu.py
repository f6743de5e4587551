import os
import subprocess
import sys
import time

import pytest

from bench.cpu import cpu_s, tree_of

# A process whose child burns 0.2 s of CPU in a thread, says so, and waits; its own work is next to nothing.
CHILD = """
import sys, threading, time
def burn():
    while time.thread_time() < 0.2: pass
thread = threading.Thread(target=burn); thread.start(); thread.join()
print("done", flush=True); sys.stdin.read()
"""
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {CHILD!r}])"


def test_the_threads_of_grandchildren_are_counted_and_waiting_is_free() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"done\n"
        pids = tree_of(parent.pid)
        assert len(pids) == 2
        assert parent.pid in pids
        burnt_s = cpu_s([pid for pid in pids if pid != parent.pid])
        assert 0.2 <= burnt_s < 0.2 + 5.0
        assert cpu_s(pids) >= burnt_s + cpu_s([parent.pid]) - 1e-3
        parent.communicate()


def test_our_own_clock_agrees_with_the_standard_library() -> None:
    started_s = time.process_time()
    between_s = cpu_s([os.getpid()])
    assert started_s <= between_s <= time.process_time()


def test_a_dead_process_is_an_error_not_a_zero() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    with pytest.raises(OSError, match=r"Invalid argument|No such process"):
        cpu_s([process.pid])
