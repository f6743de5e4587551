"""Fits the ranker on slates of the inner folds, stopping when users that it does not learn from get no better slates."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from domain.arrays import BoolArray, FloatArray, RowArray
from domain.stages import Progress
from training.encoder import Encoder
from training.losses import listwise_softmax
from training.objective import choose_objective, ndcg
from training.ranker import HEADS, Ensemble, Ranker
from training.slates import Slates, join

BLOCK = 500  # slates scored at a time, so that memory does not follow their number
CONSTANT = 1e-4  # a deviation below this share of 1 + mean is rounding, not variation
SHARES = 8  # every member keeps another eighth of the users aside


@dataclass(frozen=True)
class RankerOptions:
    """patience: epochs without a better NDCG before a member stops. fresh_price: the share of NDCG@20 that may be given up so that creators without
    a listener are found, see `training.objective`."""

    members: int = 3
    epochs: int = 40
    patience: int = 5
    batch: int = 32
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    fresh_price: float = 0.03


@dataclass(frozen=True)
class FittedRanker:
    """objective: weights of the heads. aside: slates that one member has not learned from each, and `aside_scores` [s, n, heads] by that member.
    curves: per member, per epoch the loss and NDCG@20 on users that it did not learn from."""

    model: Ensemble
    objective: Mapping[str, float]
    aside: Slates
    aside_scores: FloatArray
    curves: list[list[dict[str, float]]] = field(default_factory=list)


def fit_ranker(folds: Sequence[Slates], code_counts: tuple[int, ...], seed: int, options: RankerOptions, progress: Progress) -> FittedRanker:
    """Every member keeps other users' slates aside, all slates of a user together. New creators' listens count like all others.

    code_counts: how many codes each of the last features has; those before them are numbers.
    """
    progress.start("train the ranker", options.members * options.epochs)
    slates = join(list(folds))
    members, curves, aside, scores = [], [], [], []
    for member in range(options.members):
        kept_aside = (slates.users + member) % SHARES == 0
        model, curve = _fit_member(slates, kept_aside, code_counts, (seed, member), options, progress)
        members.append(model)
        curves.append(curve)
        aside.append(np.flatnonzero(kept_aside))
        scores.append(score(model, slates.features[aside[-1]]))
    judged, by_member = slates.part(np.concatenate(aside)), np.concatenate(scores)
    return FittedRanker(Ensemble(members).eval(), choose_objective(by_member, judged, options.fresh_price), judged, by_member, curves)


def _fit_member(
    slates: Slates, kept_aside: BoolArray, code_counts: tuple[int, ...], seeds: tuple[int, int], options: RankerOptions, progress: Progress
) -> tuple[Ranker, list[dict[str, float]]]:
    torch.manual_seed(seeds[0] * 1_000 + seeds[1])
    random = np.random.default_rng(seeds)
    aside, learned = slates.part(np.flatnonzero(kept_aside)), slates.part(np.flatnonzero(~kept_aside & slates.listened.any(axis=1)))
    number_count = learned.features.shape[2] - len(code_counts)
    model = Ranker(Encoder(*moments(learned.features[:, :, :number_count]), code_counts))
    optimiser = torch.optim.AdamW(model.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay)
    wanted = torch.from_numpy(np.stack([learned.listened, learned.favourite], axis=2).astype(np.float32))
    curve: list[dict[str, float]] = []
    best, best_state, since = -1.0, copy.deepcopy(model.state_dict()), 0
    for _epoch in range(options.epochs):
        loss = _train_epoch(model, optimiser, (torch.from_numpy(learned.features), wanted), random.permutation(len(wanted)), options.batch)
        quality = ndcg(score(model, aside.features)[:, :, HEADS.index("listen")], aside.listened, aside.relevant)
        curve.append({"loss": loss, "ndcg": quality})
        progress.advance(1)
        best, best_state, since = (quality, copy.deepcopy(model.state_dict()), 0) if quality > best else (best, best_state, since + 1)
        if since >= options.patience:
            break
    progress.advance(options.epochs - len(curve))
    model.load_state_dict(best_state)
    return model.eval(), curve


def _train_epoch(model: Ranker, optimiser: torch.optim.Optimizer, examples: tuple[torch.Tensor, torch.Tensor], order: RowArray, batch: int) -> float:
    model.train()
    features, wanted = examples
    total = 0.0
    for start in range(0, len(order), batch):
        chosen = torch.from_numpy(order[start : start + batch])
        scores = model(features[chosen])
        losses = [listwise_softmax(scores[:, :, head], wanted[chosen][:, :, head]) for head in range(len(HEADS))]
        loss = torch.stack(losses).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total += float(loss.detach()) * len(chosen)
    return total / max(1, len(order))


def score(model: torch.nn.Module, features: FloatArray) -> FloatArray:
    """float32 [s, n, heads] from features [s, n, F]."""
    model.eval()
    blocks = [torch.from_numpy(features[start : start + BLOCK]) for start in range(0, len(features), BLOCK)]
    with torch.no_grad():
        return np.concatenate([np.empty((0, features.shape[1], len(HEADS)), np.float32), *(model(block).numpy() for block in blocks)])


def moments(features: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(mean, deviation) float32 [F] of features [..., F]. What does not vary is left in its unit: over a deviation of rounding, a value that training
    has not seen would drown all others, and rounding would be multiplied."""
    flat = features.reshape(-1, features.shape[-1])
    mean, deviation = flat.mean(axis=0, dtype=np.float64), flat.std(axis=0, dtype=np.float64)
    varies = deviation > CONSTANT * (1.0 + np.abs(mean))
    return mean.astype(np.float32), np.where(varies, deviation, 1.0).astype(np.float32)
