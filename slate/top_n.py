"""The slate that follows the ranker's order."""

from __future__ import annotations

from domain.candidates import Ranked
from domain.slate import Slate


class TopNComposer:
    """A Composer that shows the best in ranking order. Stateless, safe from any thread."""

    def compose(self, ranked: Ranked, page_size: int) -> Slate:
        """The first `page_size` (>= 0) of `ranked.order`; every other candidate is in reserve, in the order of the candidates."""
        shown, candidates = ranked.order[:page_size], ranked.candidates
        return Slate(candidates.rows[shown], ranked.scores[shown], candidates.similarities[shown], candidates.rows)
