"""The request threads: who runs what, in which order, and that no task can end a thread."""

import logging
import threading

from server.rpc.request_pool import Finished, Job, job_pool


def submit(pool, function, *arguments):
    """Put one function; returns what is told when it is over."""
    job = Job(function, arguments)
    pool.put(job)
    return job.finished


def run(pool, function, *arguments):
    """One task to its end."""
    over = threading.Event()
    submit(pool, function, *arguments).add_done_callback(lambda _: over.set())
    assert over.wait(5)


def test_a_task_gets_its_arguments():
    got = []
    run(job_pool(1, "t"), lambda *arguments: got.append(arguments), 1, "two")
    assert got == [(1, "two")]


def test_as_many_tasks_run_at_a_time_as_there_are_threads_and_the_rest_waits_in_order():
    pool, gate, started, order = job_pool(2, "t"), threading.Event(), threading.Semaphore(0), []

    def block():
        started.release()
        gate.wait(5)

    blocked = [submit(pool, block) for _ in range(2)]
    assert all(started.acquire(timeout=5) for _ in blocked)
    done = threading.Semaphore(0)
    for number in range(10):
        submit(pool, order.append, number).add_done_callback(lambda _: done.release())
    assert pool.backlog() == 10
    gate.set()
    assert all(done.acquire(timeout=5) for _ in range(10))
    assert sorted(order) == list(range(10))
    assert pool.backlog() == 0


def test_waiting_tasks_start_in_the_order_in_which_they_came():
    pool, gate, order, done = job_pool(1, "t"), threading.Event(), [], threading.Event()
    submit(pool, gate.wait, 5)
    for number in range(20):
        submit(pool, order.append, number)
    submit(pool, done.set)
    gate.set()
    assert done.wait(5)
    assert order == list(range(20))


def test_under_light_load_one_warm_thread_does_all_the_work():
    pool, threads = job_pool(4, "t"), []
    for _ in range(50):
        run(pool, lambda: threads.append(threading.get_ident()))
        while len(pool._idle) < pool._started:  # it announces before it takes its seat again
            pass
    assert len(set(threads[1:])) == 1


def test_a_task_that_fails_is_logged_announced_and_does_not_end_its_thread(caplog):
    pool = job_pool(1, "t")

    def fail(kind):
        raise kind("on purpose")

    logger = logging.getLogger("earshot")
    logger.propagate, before = True, logger.propagate
    try:
        for kind in (ValueError, SystemExit, KeyboardInterrupt):
            run(pool, fail, kind)
    finally:
        logger.propagate = before
    assert len(caplog.records) == 3
    run(pool, lambda: None)


def test_a_callback_added_after_the_end_is_called_at_once():
    finished, calls = Finished(), []
    finished.add_done_callback(lambda _: calls.append("early"))
    finished.announce()
    finished.add_done_callback(lambda _: calls.append("late"))
    assert calls == ["early", "late"]


def test_no_task_is_lost_between_many_submitters():
    pool, done = job_pool(3, "t"), threading.Semaphore(0)

    def submit_many():
        for _ in range(500):
            submit(pool, lambda: None).add_done_callback(lambda _: done.release())

    submitters = [threading.Thread(target=submit_many) for _ in range(4)]
    for thread in submitters:
        thread.start()
    for thread in submitters:
        thread.join()
    assert all(done.acquire(timeout=5) for _ in range(2000))
