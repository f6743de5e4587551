"""Hundreds of bad bundles: none of them is accepted or served, and no process dies of one.

The suite tries a part. All of it, or more, with another seed:

    MUTATIONS=2000 MUTATION_SEED=7 make test TESTS=tests/integration/test_mutated_bundles.py
"""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from demo.files import demo_files
from domain.progress import SILENT
from engine.build import BuildOptions, build
from tests.integration.hostile_bundles import HOSTILE
from tests.integration.mutated_bundles import Mutation, mutate, seal
from tests.integration.server_process import ROOT, environment

COUNT = int(os.environ.get("MUTATIONS", "100"))
SEED = int(os.environ.get("MUTATION_SEED", "1"))
TRIERS = 2
CREATORS, USERS = 150, 12  # small, so that a trial takes a tenth of a second; with columns of every kind
BAD_ARTIFACT = 2


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """The demo world, cut down, with forty creators who share an embedding: more than the index links."""
    directory, files = tmp_path_factory.mktemp("small"), demo_files()
    creators, users = (pq.read_table(path).slice(0, count) for path, count in ((files.creators, CREATORS), (files.users, USERS)))
    embeddings = creators["embedding"].to_pylist()
    shared = [*embeddings[:-40], *[embeddings[0]] * 40]
    place = creators.column_names.index("embedding")
    creators = creators.set_column(place, "embedding", pc.cast(pa.array(shared), creators.schema.field("embedding").type))
    pq.write_table(creators, directory / "creators.parquet")
    pq.write_table(users, directory / "users.parquet")
    options = {"ranker": files.ranker, "binding": files.binding, "out": directory / "bundle", "bundle_version": "small", "threads": 1}
    build(BuildOptions(creators=directory / "creators.parquet", users=directory / "users.parquet", **options), SILENT)
    return directory / "bundle"


class Trier:
    """The process that tries bundles, one after the other."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.integration.bundle_trials"]
        self._process = subprocess.Popen(command, env=environment(), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, path) -> dict:
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the process that tries bundles died"
        return json.loads(line)

    def close(self) -> None:
        self._process.stdin.close()
        assert self._process.wait(10) == 0
        self._process.stdout.close()


@pytest.fixture(scope="module")
def triers():
    made = [Trier() for _ in range(TRIERS)]
    yield made
    for trier in made:
        trier.close()


def complaints(mutation: Mutation, trial: dict) -> list[str]:
    """Everything that must not be."""
    found = {
        "verify was ended by a signal or ran for ever": trial["verified"] is None or trial["verified"] < 0,
        "verify neither accepts nor refuses": trial["verified"] not in (0, BAD_ARTIFACT),
        "the refusal is not one line of its form": trial["verified"] != 0 and not trial["refusal"],
        "verify accepts it": mutation.refused and trial["verified"] == 0,
        "the generation was ended by a signal or ran for ever": trial["served"] is None or trial["served"] < 0,
        "a worker was ended by a signal": bool(trial["deaths"]),
        "it is served": mutation.refused and trial["serving"],
        "verify and serve disagree": (trial["verified"] == 0) != trial["serving"],
        "serve ends with another code": not trial["serving"] and trial["served"] != BAD_ARTIFACT,
    }
    return [text for text, wrong in found.items() if wrong]


def test_the_bundle_that_is_mutated_is_good(bundle, triers, tmp_path):
    trial = triers[0](bundle)
    assert (trial["verified"], trial["serving"], trial["served"]) == (0, True, 0), trial
    assert (bundle / "indexes" / "default" / "copies.npy").exists()
    shutil.copytree(bundle, tmp_path / "sealed")
    seal(tmp_path / "sealed")  # which alone must change nothing, or hostile bundles would be refused for the wrong reason
    assert triers[0](tmp_path / "sealed")["verified"] == 0


def test_no_mutated_bundle_is_accepted_or_served_and_nobody_dies(bundle, triers, tmp_path):
    def run(share):
        return [tried(triers[share], number) for number in range(share, COUNT, TRIERS)]

    def tried(trier, number):
        path = tmp_path / str(number)
        mutation = mutate(bundle, path, np.random.default_rng((SEED, number)))
        trial = trier(path)
        wrong = complaints(mutation, trial)
        if not wrong:
            for left in tmp_path.glob(f"{number}*"):
                shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
        return mutation, trial, wrong

    with ThreadPoolExecutor(TRIERS) as pool:
        results = [result for share in pool.map(run, range(TRIERS)) for result in share]
    reasons = Counter(trial["words"].split(": ")[2] if trial["refusal"] else f"exit code {trial['verified']}" for _, trial, _ in results)
    print(*sorted(f"{reason}: {count}" for reason, count in reasons.items()), sep="\n")  # noqa: T201  # seen with -s
    print(f"slowest {max(trial['seconds'] for _, trial, _ in results)} s")  # noqa: T201  # as above
    bad = [(mutation.name, wrong, trial) for mutation, trial, wrong in results if wrong]
    assert not bad, f"{len(bad)} of {len(results)}, the first of them: {bad[:5]}"
    assert len(reasons) >= 6, "mutations that all end alike test little"


def test_hostile_bundles_behind_right_digests_are_refused_one_by_one(bundle, triers, tmp_path):
    def run(share):
        return [tried(triers[share], name) for name in list(HOSTILE)[share::TRIERS]]

    def tried(trier, name):
        path = tmp_path / name.replace("/", " ")
        shutil.copytree(bundle, path)
        HOSTILE[name](path)
        seal(path)
        trial = trier(path)
        return name, complaints(Mutation(name, refused=True), trial), trial["words"]

    with ThreadPoolExecutor(TRIERS) as pool:
        results = [result for share in pool.map(run, range(TRIERS)) for result in share]
    assert [result for result in results if result[1]] == []
