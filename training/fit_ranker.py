"""Fits the ranker on slates of the inner folds, stopping when a fold that it does not learn from gets no better."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from domain.arrays import FloatArray
from domain.stages import Progress
from training.losses import listwise_softmax
from training.ranker import Ensemble, Ranker
from training.slates import Slates

CUT = 20  # NDCG@20 is what the slate is judged by


@dataclass(frozen=True)
class RankerOptions:
    """patience: epochs without a better NDCG before a member stops."""

    members: int = 3
    epochs: int = 40
    patience: int = 5
    batch: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4


@dataclass(frozen=True)
class FittedRanker:
    """curves: per member, per epoch the loss and NDCG@20 on users that it did not learn from."""

    model: Ensemble
    curves: list[list[dict[str, float]]] = field(default_factory=list)


def fit_ranker(folds: Sequence[Slates], seed: int, options: RankerOptions, progress: Progress) -> FittedRanker:
    """Every member keeps other users' slates aside, all slates of a user together."""
    progress.start("train the ranker", options.members * options.epochs)
    members, curves = [], []
    for member in range(options.members):
        model, curve = _fit_member(folds, member, seed, options, progress)
        members.append(model)
        curves.append(curve)
    return FittedRanker(Ensemble(members).eval(), curves)


def _fit_member(folds: Sequence[Slates], member: int, seed: int, options: RankerOptions, progress: Progress) -> tuple[Ranker, list[dict[str, float]]]:
    torch.manual_seed(seed * 1_000 + member)
    random = np.random.default_rng([seed, member])
    kept = [fold.part(np.flatnonzero((fold.users + member) % 8 != 0)) for fold in folds]
    aside = [fold.part(np.flatnonzero((fold.users + member) % 8 == 0)) for fold in folds]
    pools = [torch.from_numpy(np.concatenate(part)) for part in zip(*[(f.features, f.listened.astype(np.float32)) for f in kept], strict=True)]
    found = torch.nonzero(pools[1].sum(dim=1) > 0).squeeze(1).numpy()
    model = Ranker(*_moments(pools[0].numpy()))
    optimiser = torch.optim.AdamW(model.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay)
    curve: list[dict[str, float]] = []
    best, best_state, since = -1.0, copy.deepcopy(model.state_dict()), 0
    for _epoch in range(options.epochs):
        loss = _epoch_of(model, optimiser, pools, random.permutation(found), options.batch)
        quality = float(np.mean([slate_ndcg(score(model, fold.features), fold) for fold in aside]))
        curve.append({"loss": loss, "ndcg": quality})
        progress.advance(1)
        best, best_state, since = (quality, copy.deepcopy(model.state_dict()), 0) if quality > best else (best, best_state, since + 1)
        if since >= options.patience:
            break
    progress.advance(options.epochs - len(curve))
    model.load_state_dict(best_state)
    return model.eval(), curve


def _epoch_of(model: Ranker, optimiser: torch.optim.Optimizer, pools: list[torch.Tensor], order: FloatArray, batch: int) -> float:
    model.train()
    total = 0.0
    for start in range(0, len(order), batch):
        chosen = torch.from_numpy(order[start : start + batch])
        loss = listwise_softmax(model(pools[0][chosen]), pools[1][chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total += float(loss.detach()) * len(chosen)
    return total / max(1, len(order))


def score(model: torch.nn.Module, features: FloatArray) -> FloatArray:
    """float32 [s, n] from features [s, n, F]."""
    model.eval()
    with torch.no_grad():
        scores: FloatArray = model(torch.from_numpy(features)).numpy()
    return scores


def slate_ndcg(scores: FloatArray, slates: Slates) -> float:
    """Mean NDCG@20 of the slates in the order of these scores; ideal: min(20, listens there were to find)."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :CUT]
    gains = 1.0 / np.log2(np.arange(CUT) + 2.0)
    ideal = np.cumsum(gains)[np.minimum(CUT, slates.relevant.astype(np.int64)) - 1]
    found = np.take_along_axis(slates.listened, order, axis=1)
    return float(np.mean((found * gains[: order.shape[1]]).sum(axis=1) / ideal))


def _moments(features: FloatArray) -> tuple[FloatArray, FloatArray]:
    flat = features.reshape(-1, features.shape[-1])
    return flat.mean(axis=0), np.maximum(flat.std(axis=0), 1e-6).astype(np.float32)
