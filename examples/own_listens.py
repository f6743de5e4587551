"""From your own listens to a slate: trains, builds a bundle, evaluates it, serves it, and asks it once.

    .venv-train/bin/python examples/own_listens.py my-run --listens listens.parquet --creators creators.parquet --users users.parquet
    .venv-train/bin/python examples/own_listens.py my-run --context hour=18 --context place=gym     # makes up some listening first, as CSV files

What the columns mean is said in docs/quality.md, under "Your own data". Run it where the training extra is (`make test-train` sets it up).
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
USERS, CREATORS, SESSIONS, LISTENS = 150, 240, 12, 4
GENRES, COUNTRIES, PLACES = ("folk", "jazz", "rock", "techno"), ("BR", "GB", "SE"), ("home", "gym")
ENERGY = {"folk": 0.2, "jazz": 0.4, "rock": 0.7, "techno": 0.9}
NEW_SHARE = 0.05  # of the creators has not been heard by anybody: their tags must do
START_SECONDS = 60
SMALL = ("--dimensions", 48, "--candidates", 60, "--threads", 1)  # what seven thousand listens are worth; leave it out for millions


def make_up(directory: Path) -> dict[str, Path]:
    """listens.csv, creators.csv and users.csv: people hear their genre and their country, and at the gym what has energy."""
    random = np.random.default_rng(11)
    genre, country = random.integers(len(GENRES), size=CREATORS), random.integers(len(COUNTRIES), size=CREATORS)
    energy = np.clip([ENERGY[GENRES[code]] for code in genre] + random.normal(0, 0.1, CREATORS), 0, 1).round(2)
    fame = random.normal(size=CREATORS)
    fame[random.random(CREATORS) < NEW_SHARE] = -np.inf
    likes, home = random.integers(len(GENRES), size=USERS), random.integers(len(COUNTRIES), size=USERS)
    listens = [
        (f"u{user}", f"c{creator}", began + timedelta(minutes=4 * place), began.hour, PLACES[gym])
        for user in range(USERS)
        for began, gym in _sessions(random)
        for place, creator in enumerate(_heard(random, 2.0 * (genre == likes[user]) + (country == home[user]) + fame + 4 * energy * gym))
    ]
    creators = [
        (
            f"c{row}",
            f"Creator {row}",
            f"{GENRES[genre[row]]}|from {COUNTRIES[country[row]]}",
            GENRES[genre[row]],
            COUNTRIES[country[row]],
            energy[row],
        )
        for row in range(CREATORS)
    ]
    users = [(f"u{row}", COUNTRIES[home[row]], int(random.integers(1, 2_000))) for row in range(USERS)]
    return {
        "listens": _write(directory / "listens.csv", ("user_id", "creator_id", "time", "context.hour", "context.place"), listens),
        "creators": _write(directory / "creators.csv", ("creator_id", "name", "tags", "genre", "country", "energy"), creators),
        "users": _write(directory / "users.csv", ("user_id", "country", "age_days"), users),
    }


def _sessions(random: np.random.Generator) -> list[tuple[datetime, int]]:
    days = sorted(random.choice(90, SESSIONS, replace=False).tolist())
    return [(datetime(2026, 1, 1, int(random.integers(7, 23)), tzinfo=UTC) + timedelta(days=day), int(random.random() < 0.4)) for day in days]


def _heard(random: np.random.Generator, appeal: np.ndarray) -> list[int]:
    best: list[int] = np.argsort(-(appeal + random.gumbel(size=CREATORS)))[:LISTENS].tolist()
    return best


def _write(file: Path, header: tuple[str, ...], rows: list[tuple[object, ...]]) -> Path:
    with file.open("w", newline="", encoding="utf-8") as opened:
        csv.writer(opened).writerows([header, *rows])
    return file


def earshot(*words: object) -> list[str]:
    """The words of a command, with the libraries of this interpreter."""
    return [sys.executable, "-m", "cli", *map(str, words)]


def run(*words: object) -> None:
    """Run a command to its end; stop here when it fails."""
    print("\n$ earshot", *words, flush=True)
    subprocess.run(earshot(*words), env=_environment(), check=True)


def ask_once(bundle: Path, user_id: str, context: list[str], ports: list[int]) -> None:
    """Serve the bundle for as long as one question takes. context: NAME=VALUE each."""
    port, control, metrics = ports
    occasion = [word for one in context for word in ("--context", one)]
    settings = ("--port", port, "--control-port", control, "--metrics-port", metrics, "--workers", 1)
    with subprocess.Popen(earshot("serve", "--bundle", bundle, *settings), env=_environment(), stderr=subprocess.DEVNULL) as server:
        question = earshot("query", "--target", f"127.0.0.1:{port}", "--user-id", user_id, *occasion, "--page-size", 10)
        until = time.monotonic() + START_SECONDS
        while server.poll() is None and _fails(question) and time.monotonic() < until:
            time.sleep(0.5)  # it is still starting
        print("\n$ earshot", *question[3:], flush=True)
        subprocess.run(question, env=_environment(), check=True)
        server.terminate()


def _fails(command: list[str]) -> bool:
    return subprocess.run(command, env=_environment(), capture_output=True, check=False).returncode != 0


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in (".", "gen", "client"))}


def main() -> None:
    """The whole road."""
    parser = argparse.ArgumentParser(description="From listens to a slate.")
    parser.add_argument("out", type=Path, help="a directory of its own, made here")
    for name in ("listens", "creators", "users"):
        parser.add_argument(f"--{name}", type=Path, help="parquet or CSV")
    parser.add_argument("--user-id", default="u7", help="whose slate to ask for")
    parser.add_argument(
        "--context", action="append", default=[], metavar="NAME=VALUE", help="the occasion to ask for it on, like hour=18; repeatable"
    )
    parser.add_argument("--ports", type=int, nargs=3, default=[50071, 50072, 9474], help="for the server: data plane, control plane, metrics")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True)
    tables = {name: getattr(arguments, name) for name in ("listens", "creators", "users") if getattr(arguments, name)}
    tables = tables if "listens" in tables else make_up(arguments.out)
    trained, bundle = arguments.out / "trained", arguments.out / "bundle"
    run("train", *(word for name, file in tables.items() for word in (f"--{name}", file)), *SMALL, "--out", trained)
    inputs = [(f"--{name}", trained / f"{name}.parquet") for name in ("creators", "users", "expected")]
    run("build", "--space", "ip", *(word for pair in inputs for word in pair), "--ranker", trained / "ranker.onnx", "--out", bundle)
    run("evaluate", "--bundle", bundle, "--run", trained, "--baselines", "none")
    ask_once(bundle, arguments.user_id, arguments.context, arguments.ports)


if __name__ == "__main__":
    main()
