"""`python -m loadtest SHAPE`: asks the server once, then hands over to locust without its web pages. The exit code says how it went.

0: every threshold met. 1: one was missed. 64: usage. 66: a file cannot be read. 69: nobody answers there.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

from earshot.client import RecommendationClient, RpcError, explain, reason_of
from loadtest.options import Plan, make_parser, plan_of, words_of
from loadtest.request_drawer import RequestDrawer

LOCUSTFILE = Path(__file__).parent / "locustfile.py"
FIRST_CALL_TIMEOUT_S = 5.0  # far more than one call takes: a server that is still warming up is not an absent one


def main() -> int:
    """The exit code of a run that cannot start. One that can does not return: this process becomes locust."""
    options = make_parser().parse_args()
    report = options.report or Path("out", f"load-{options.shape}.html")
    try:
        plan = plan_of(options, options.shape, options.target)
        report.parent.mkdir(parents=True, exist_ok=True)
        if not (problem := refusal(plan)):
            run_locust(f"--host={plan.target}", f"--shape={options.shape}", f"--html={report}", *words_of(options))
    except ValueError as error:
        return _fail(64, str(error))
    except OSError as error:
        return _fail(66, str(error))
    return _fail(69, problem)


def run_locust(*words: str) -> NoReturn:
    """Become locust: a new program, because gevent has to come before everything else. It prints its table once, and the verdict after it."""
    ours = (sys.executable, "-m", "locust", f"--locustfile={LOCUSTFILE}", "--headless", "--only-summary", "--loglevel=WARNING")
    sys.stdout.flush()
    os.execv(sys.executable, [*ours, *words])  # noqa: S606 - our own interpreter, and no shell


def refusal(plan: Plan) -> str:
    """Why the server cannot be loaded: what became of one first call; empty when it was answered."""
    drawn = RequestDrawer(plan.world, plan.seed, caller=0).draw()
    with RecommendationClient(plan.target, connection_count=1, credentials=plan.credentials()) as client:
        try:
            client.recommend(drawn.request, timeout_s=FIRST_CALL_TIMEOUT_S)
        except RpcError as error:
            unknown = reason_of(error) == "UNKNOWN_USER"
            hint = "give the ids of its users with --users-file" if unknown else "start a server with make serve, or name another one with --target"
            return f"{plan.target} cannot be loaded: {hint}; it said {explain(error)}"
    return ""


def _fail(code: int, problem: str) -> int:
    print(f"error: {problem}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
