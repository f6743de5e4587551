"""Do all contestants answer alike? Ids in order, but for neighbours whose scores are equal within the tolerance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ranking.agree import LEAST_NDCG, ndcg

TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class Answer:
    """Creators best first with their scores: a page, or for the raw compute all candidates."""

    ids: tuple[str, ...]
    scores: tuple[float, ...]


def difference(reference: Answer, page: Answer, page_size: int) -> str | None:
    """What is wrong with `page`, or None. `reference` holds all candidates, so that a page may break a tie at its end differently.

    A page agrees when it has min(page_size, candidates) different ids, when each score is within the tolerance of the reference's score at that
    place, and of the reference's score of that creator.
    """
    wanted = min(page_size, len(reference.ids))
    if len(page.ids) != wanted or len(set(page.ids)) != wanted:
        return f"{len(page.ids)} creators ({len(set(page.ids))} different) where {wanted} were wanted"
    score_of = dict(zip(reference.ids, reference.scores, strict=True))
    for place, (creator, score) in enumerate(zip(page.ids, page.scores, strict=True)):
        if creator not in score_of:
            return f"place {place}: {creator} is none of the {len(reference.ids)} candidates"
        for there in (score_of[creator], reference.scores[place]):
            if not abs(score - there) <= TOLERANCE * max(1.0, abs(there)):
                return f"place {place}: {creator} has score {score:.7g}, the reference {there:.7g}"
    return None


def first_differences(references: Sequence[Answer], pages: Sequence[Answer], page_size: int, limit: int = 3) -> list[str]:
    """What is wrong with the first few pages that differ, each with its place in the block."""
    found = []
    for place, (reference, page) in enumerate(zip(references, pages, strict=True)):
        problem = difference(reference, page, page_size)
        if problem is not None:
            found.append(f"request {place}: {problem}")
        if len(found) == limit:
            break
    return found


def worse_orders(references: Sequence[Answer], pages: Sequence[Answer], page_size: int) -> list[str]:
    """What is wrong with the pages of a narrowed ranker, whose scores differ: their mean NDCG by the reference's scores, when it is too low."""
    found = []
    for reference, page in zip(references, pages, strict=True):
        place_of = {creator: place for place, creator in enumerate(reference.ids)}
        wanted = np.arange(min(page_size, len(reference.ids)))
        given = np.array([place_of[creator] for creator in page.ids])
        found.append(ndcg(np.array(reference.scores), given, wanted) if len(given) == len(wanted) else 0.0)
    mean = float(np.mean(found))
    return [] if mean >= LEAST_NDCG else [f"NDCG@{page_size} is {mean:.5f}, at least {LEAST_NDCG} is wanted"]
