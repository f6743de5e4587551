"""Rankers that cost what is asked of them: networks whose width is found by measuring on this machine."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.question import CANDIDATE_COUNT
from bench.rankers.mlp import FEATURES
from bench.rankers.network import Network
from bench.raw import one_thread_session

GRAIN = 16  # widths are multiples of it: the widest vector of the processor
WIDEST = 4096
SIMILARITY_WEIGHT = 5.0  # score per unit of cosine; the network's part deviates by about one
DISCARDED_RUN_COUNT, RUN_COUNT = 3, 9


def write_ranker(path: Path, width: int, seed: int) -> None:
    """A 177-width-width-1 network plus a part that follows the first stage's similarity: `features` float32 [n, 177] -> `score` float32 [n, 1].

    Trained rankers agree with the first stage in part. With random weights alone they would not at all, and every order of cutting were as good.
    """
    network = Network(np.random.default_rng([seed, width]))
    learned = network.mlp("features", (FEATURES.width, width, width, 1))
    prior = np.zeros((FEATURES.width, 1), np.float32)
    prior[-1] = SIMILARITY_WEIGHT  # retrieval.similarity is the last column
    network.add("Add", [learned, network.add("MatMul", ["features", network.constant(prior)])], "score")
    network.save(path, [FEATURES], {"score": ["n", 1]})


def width_for(cost_s: float, cost_of: Callable[[int], float]) -> int:
    """The width whose cost (seconds, rising with the width) is nearest to `cost_s`, by bisection over multiples of GRAIN."""
    low, high = 1, WIDEST // GRAIN
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if cost_of(middle * GRAIN) <= cost_s else (low, middle)
    nearest = min((low, high), key=lambda step: abs(cost_of(step * GRAIN) - cost_s))
    return nearest * GRAIN


def measured_cost_s(width: int) -> float:
    """Median CPU seconds of one run over CANDIDATE_COUNT candidates, whole, on one thread. CPU, so that a neighbour does not make rankers small."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "ranker.onnx")
        write_ranker(path, width, seed=0)
        session = one_thread_session(path)
    features = {"features": np.random.default_rng(0).standard_normal((CANDIDATE_COUNT, FEATURES.width), np.float32)}
    durations_s = []
    for _ in range(DISCARDED_RUN_COUNT + RUN_COUNT):
        started_s = time.thread_time()
        session.run(None, features)
        durations_s.append(time.thread_time() - started_s)
    return statistics.median(durations_s[DISCARDED_RUN_COUNT:])
