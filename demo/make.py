"""Makes the files in demo/data anew: python -m demo.make [--out DIRECTORY] (with the training extra).

The world, in the order of the modules:
  world      4,000 creators in 15 genres, 12 countries and three tiers, and 1,500 listeners, each with a taste that drifts and that no table shows
  listens    who played whom: taste, home country, quality and fame, and how well a creator's energy suits the hour and the activity
  embed      24-dimensional embeddings, factorised from twelve early sessions; content stands in where there are few listens
  knowledge  the columns of the tables: what a service could know
  features, train   the ranker: an ONNX graph of cross features, and behind it a small network fitted on five later sessions,
                    on the 200 creators that retrieval gives each listener
  heldout    one last session that nothing was trained on; the ranker has to order it better than similarity does (tests/unit/demo)

Everything is drawn from SEED. On one machine, with the locked versions, two runs give the same bytes. On another kind of processor, or with
other versions of NumPy and scikit-learn, ids, names, genres, countries, tiers and markets stay the same (NumPy's streams are stable), while
embeddings and weights may differ in their last digits: sums are taken in another order there, and a listen may then fall the other way.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits  # comes with scikit-learn, of the training extra

from demo.binding import binding_text
from demo.candidates import retrieve
from demo.embed import embed
from demo.feeds import Feeds, Moment
from demo.files import DemoFiles, demo_files, files_in
from demo.heldout import ndcg
from demo.knowledge import Knowledge, gather_knowledge
from demo.listens import ACTIVITIES, Session, tell_story
from demo.tables import activity_name, write_creators, write_expected, write_heldout, write_users
from demo.train import TrainedRanker, export, train
from demo.world import make_world

SEED = 7
CREATOR_COUNT = 4_000
LISTENER_COUNT = 1_500
_EXPECTED_LISTENERS, _EXPECTED_CREATORS = 20, 10


def main() -> None:
    """Make the world, train, write, and say how good the ranker is."""
    parser = argparse.ArgumentParser(description="Make the demo world's files anew.")
    parser.add_argument("--out", type=Path, help="where to write (default: the committed files)")
    out = parser.parse_args().out
    files = files_in(out) if out else demo_files()
    files.creators.parent.mkdir(parents=True, exist_ok=True)
    with threadpool_limits(1):  # the order of sums, and so the bytes, would follow the number of threads
        make(files)


def make(files: DemoFiles) -> None:
    """Write all files of the demo world."""
    world = make_world(SEED, CREATOR_COUNT, LISTENER_COUNT)
    story = tell_story(world, SEED)
    print(f"{len(world.creators)} creators, {len(world.listeners)} listeners, {sum(len(p) for s in story.before for p in s.played)} listens to embed")
    known = gather_knowledge(world, story, embed(world, story.before, SEED), SEED)
    ranker = train(known, story, SEED)
    write_creators(known, files.creators)
    write_users(known, files.users)
    write_heldout(known, story.heldout, files.heldout)
    write_expected(_expected(known, ranker), files.expected)
    files.ranker.write_bytes(export(ranker).SerializeToString(deterministic=True))
    files.binding.write_text(binding_text(), encoding="utf-8")
    similarity, ranked = measure(known, ranker, story.heldout)
    print(f"NDCG@20 on held-out listens: similarity order {similarity:.4f}, ranker {ranked:.4f} ({ranked / similarity:.2f} times)")


def measure(known: Knowledge, ranker: TrainedRanker, heldout: Session) -> tuple[float, float]:
    """NDCG@20 over all listeners, of similarity order and of the ranker's, on the same 200 candidates."""
    feeds = Feeds(known)
    totals = np.zeros(2)
    for listener in range(len(known.world.listeners)):
        rows = retrieve(known, listener)
        moment = Moment(float(heldout.hour[listener]), int(heldout.activity[listener]))
        scores = ranker.score(feeds.make(listener, rows, moment, known.history_now[listener]))
        played = set(heldout.played[listener].tolist())
        totals += ndcg(rows.tolist(), played), ndcg(rows[np.argsort(-scores, kind="stable")].tolist(), played)
    similarity, ranked = totals / len(known.world.listeners)
    return float(similarity), float(ranked)


def _expected(known: Knowledge, ranker: TrainedRanker) -> list[tuple[str, str, float | None, str | None, float]]:
    """Scores by the trainer's own way: some listeners, newcomers among them, in all kinds of contexts, with creators near and far."""
    rng = np.random.default_rng([SEED, 5])
    feeds, rows_of_file = Feeds(known), []
    newcomers, others = np.flatnonzero(known.world.listeners.newcomer), np.flatnonzero(~known.world.listeners.newcomer)
    listeners = np.concatenate([newcomers[:2], rng.choice(others, _EXPECTED_LISTENERS - 2, replace=False)])
    for place, listener in enumerate(listeners.tolist()):
        near, far = rng.choice(retrieve(known, listener), _EXPECTED_CREATORS - 3, replace=False), rng.choice(CREATOR_COUNT, 3, replace=False)
        rows = np.unique(np.concatenate([near, far]))
        hour, activity = None if place % 4 == 0 else float(rng.integers(0, 24)), place % (1 + len(ACTIVITIES))
        moment = Moment(activity=activity) if hour is None else Moment(hour, activity)
        scores = ranker.score(feeds.make(listener, rows, moment, known.history_now[listener]))
        ids, user_id = known.world.creators.ids, known.world.listeners.ids[listener]
        rows_of_file += [(user_id, ids[row], hour, activity_name(activity), float(score)) for row, score in zip(rows, scores, strict=True)]
    return rows_of_file


if __name__ == "__main__":
    main()
