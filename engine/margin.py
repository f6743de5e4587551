"""How far a prediction must be stretched to hold in 99 of 100 cases: a quantile of what was left unexplained lately."""

from __future__ import annotations

import math
from collections import deque
from operator import itemgetter

CONFIDENCE = 0.99
WINDOW_COUNT = 256  # enough for a 99th percentile that is not simply the worst of all
REFRESH_COUNT = 32  # sorting the window costs 10 us; shared by so many observations it costs nothing
LEAST_COUNT = 8  # with fewer the prior is the better guess
PRIOR_SHARE = 0.5  # of what nobody has watched yet: half as long again as predicted is believed possible
ALONE = 2.0  # times the next one, is believed of the observation that decides: one interruption must not stretch all plans of a window
_ROOT = itemgetter(1)


class Margin:
    """Learns from pairs of predicted and actual seconds. Not thread-safe: the owner locks `add`; `seconds` may be read by anybody.

    value: the 99th percentile of (actual - predicted) / sqrt(predicted). Interruptions come at random, the more the longer the work, so their spread
    grows with the root of its length; an error of speed grows with the length itself. Hence roots below the usual length, where the first counts
    more, and proportion above it, where the second does. As long as there are too few observations for a percentile, it is the worst of them. One
    that stands alone is believed up to ALONE times the next, or as much as of what nobody has watched; a second one like it is believed at once.
    """

    __slots__ = ("_left", "_seen", "_usual_root", "value")

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque(maxlen=WINDOW_COUNT)
        self._left, self.value, self._usual_root = LEAST_COUNT, math.nan, 0.0

    def seconds(self, predicted_s: float) -> float:
        """What to add to a prediction."""
        if not self._usual_root:
            return PRIOR_SHARE * predicted_s
        root = math.sqrt(predicted_s)
        return self.value * root if root <= self._usual_root else self.value * predicted_s / self._usual_root

    def add(self, predicted_s: float, actual_s: float) -> None:
        """One more observation; predicted_s > 0."""
        root = math.sqrt(predicted_s)
        self._seen.append(((actual_s - predicted_s) / root, root))
        self._left -= 1
        if self._left <= 0:
            self._refresh()

    def forget_half(self) -> None:
        """Forget the older half of what was seen; with less than LEAST_COUNT left, all of it."""
        for _ in range((len(self._seen) + 1) // 2):
            self._seen.popleft()
        if len(self._seen) < LEAST_COUNT:
            self.start_over()
        else:
            self._refresh()

    def start_over(self) -> None:
        """What was seen belongs to a machine that is not there any more."""
        self._seen.clear()
        self._left, self.value, self._usual_root = LEAST_COUNT, math.nan, 0.0

    def _refresh(self) -> None:
        ordered = sorted(self._seen)
        place = min(len(ordered), math.ceil(CONFIDENCE * (len(ordered) + 1)))  # one more than seen: the next one is to be covered
        self._usual_root = sum(map(_ROOT, ordered)) / len(ordered)
        decides, following = ordered[place - 1][0], ordered[max(0, place - 2)][0]
        self.value = max(0.0, min(decides, max(ALONE * following, PRIOR_SHARE * self._usual_root)))
        self._left = min(REFRESH_COUNT, len(ordered))
