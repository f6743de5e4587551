"""The token bucket in front of the access log."""

import json
import logging
import threading
import time
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.telemetry.access_log import AccessLog, Call
from server.telemetry.logs import JsonFormatter
from tests.unit.server.small_world import recommended


class Lines(logging.Handler):
    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(json.loads(JsonFormatter("worker").format(record)))


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO)
    handler = Lines()
    logging.getLogger("earshot").addHandler(handler)
    yield handler.lines
    logging.getLogger("earshot").removeHandler(handler)


def finished(now_s=0.0, request_id="r"):
    return Call(0.0, request_id, "listener-1", recommended(), 0, "OK", finished_s=now_s)


def test_lines_above_the_rate_are_counted_in_the_next_line(lines):
    log = AccessLog(2, b"key", clock=lambda: 0.0)
    written = [log.write(finished(now_s)) for now_s in (0.0, 0.0, 0.0, 0.1, 0.2, 0.6)]
    assert lines == []
    log.flush()
    assert written == [True, True, False, False, False, True]
    assert [line.get("suppressed_lines", 0) for line in lines] == [0, 0, 3]


@given(st.lists(st.floats(0, 0.5), max_size=60), st.integers(0, 5))
def test_never_more_lines_than_the_rate_allows(gaps, rate):
    log = AccessLog(rate, b"key", clock=lambda: 0.0)
    now_s, written = 0.0, 0
    for gap in gaps:
        now_s += gap
        written += log.write(finished(now_s))
    assert written <= rate + rate * now_s + 1e-6


def test_a_line_is_one_json_object_whatever_the_caller_sent(lines):
    log = AccessLog(10, b"key", clock=lambda: 0.0)
    log.write(finished(request_id='r"\n{"level": "error"}\x1b[31m'))
    log.flush()
    (line,) = lines
    assert (line["request_id"], line["level"], line["process"]) == ('r"\n{"level": "error"}\x1b[31m', "info", "worker")
    assert "\n" not in json.dumps(line)


def test_user_ids_are_hashed_with_a_key(lines):
    for key in (b"one", b"one", b"two"):
        log = AccessLog(10, key, clock=lambda: 0.0)
        log.write(finished())
        log.flush()
    first, second, third = (line["user"] for line in lines)
    assert first == second != third
    assert "listener" not in first


def test_a_line_has_the_time_at_which_the_call_finished_not_the_one_of_its_writing(lines):
    log = AccessLog(10, b"key", clock=lambda: 100.0)
    now = time.time()
    log.write(finished(now_s=97.0))
    log.flush()
    written = datetime.fromisoformat(lines[0]["time"]).timestamp()
    assert abs(written - (now - 3.0)) < 0.5


def test_what_waits_is_written_when_the_thread_that_flushes_is_stopped(lines):
    log, stop = AccessLog(10, b"key", clock=lambda: 0.0), threading.Event()
    thread = threading.Thread(target=log.keep_flushing, args=(stop,))
    thread.start()
    log.write(finished())
    stop.set()
    thread.join()
    assert len(lines) == 1
