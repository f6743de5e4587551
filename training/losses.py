"""What training minimises."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def listwise_softmax(scores: Tensor, listened: Tensor) -> Tensor:
    """Cross entropy between the softmax of a slate's scores and its listens, each listen alike; [] from [s, n] and float [s, n].

    Source: Cao et al., "Learning to Rank: From Pairwise Approach to Listwise Approach", ICML 2007 (top-one probability); each listen counts for
    itself, divided by the slate's number of listens, so that long lists do not outweigh short ones.
    """
    share = listened / listened.sum(dim=1, keepdim=True).clamp_min(1.0)
    return -(share * functional.log_softmax(scores, dim=1)).sum(dim=1).mean()


def sampled_softmax(scores: Tensor, creators: Tensor, log_share: Tensor, known: Tensor) -> Tensor:
    """Softmax over the batch's own creators, each score less the log of how often its creator is in a batch. [] from scores [b, b] (user i with
    the creator of pair j), creators int64 [b], log_share float [b], known bool [b, b] (True where user i played the creator of pair j).

    Without the correction the famous, who are in every batch as negatives, are pushed down for their fame alone: Yi et al., "Sampling-Bias-Corrected
    Neural Modeling for Large Corpus Item Recommendations", RecSys 2019. Other creators that the user played are no negatives.
    """
    place = torch.arange(len(creators))
    corrected = scores - log_share[None, :]
    same = creators[None, :] == creators[:, None]
    hidden = (known | same) & (place[None, :] != place[:, None])
    return functional.cross_entropy(corrected.masked_fill(hidden, float("-inf")), place)
