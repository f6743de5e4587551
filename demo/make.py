"""Writes the demo world's tables: python -m demo.make --out DIRECTORY. `make demo-data` does so, and trains on them.

The world, in the order of the modules:
  world      4,000 creators in 15 genres, 12 countries and three tiers, and 1,500 listeners, each with a taste that drifts and that no table shows
  listens    who played whom: taste, home country, quality and fame, and how well a creator's energy suits the hour and the activity
  tables     listens.parquet, creators.parquet, users.parquet: what a service would have. heldout.parquet: one last session that nobody learns from

What demo/data holds beside is made by `earshot train`, as from anybody's tables: embeddings, histories, the ranker with its binding, expected scores.
The ranker has to order the last session better than similarity does (tests/unit/demo).

Everything is drawn from SEED. On one machine, with the locked versions, two runs give the same bytes. On another kind of processor, or with
other versions of NumPy and PyTorch, ids, names, genres, countries, tiers and markets stay the same (NumPy's streams are stable), while
embeddings and weights may differ in their last digits: sums are taken in another order there, and a listen may then fall the other way.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from demo.listens import tell_story
from demo.tables import write_creators, write_heldout, write_listens, write_users
from demo.world import make_world

SEED = 7
CREATOR_COUNT = 4_000
LISTENER_COUNT = 1_500


def main() -> None:
    """Draw the world and write its tables."""
    parser = argparse.ArgumentParser(description="Write the demo world's tables.")
    parser.add_argument("--out", type=Path, required=True, help="where to write")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    world = make_world(SEED, CREATOR_COUNT, LISTENER_COUNT)
    story = tell_story(world, SEED)
    write_listens(world, story, out / "listens.parquet")
    write_creators(world, out / "creators.parquet", SEED)
    write_users(world, story, out / "users.parquet")
    write_heldout(world, story.heldout, out / "heldout.parquet")
    print(f"{len(world.creators):,} creators and {len(world.listeners):,} listeners in {out}")


if __name__ == "__main__":
    main()
