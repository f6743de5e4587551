"""The metrics once more, user by user in plain Python, written from the protocol and not from evaluation/metrics.py."""

from __future__ import annotations

import math


def recall(shown, wanted, depth):
    return len([one for one in shown[:depth] if one in wanted]) / len(wanted)


def ndcg(shown, wanted, depth):
    gained = 0.0
    for place, one in enumerate(shown[:depth], 1):
        if one in wanted:
            gained += 1.0 / math.log2(1 + place)
    return gained / sum(1.0 / math.log2(1 + place) for place in range(1, min(depth, len(wanted)) + 1))


def gini(amounts):
    total = sum(amounts)
    if not total:
        return 0.0
    differences = sum(abs(one - other) for one in amounts for other in amounts)
    return differences / (2 * len(amounts) * total)
