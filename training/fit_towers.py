"""Fits the two towers: softmax over the batch's creators, with log-Q correction and ids that drop out at random.

Where somebody watches, training stops when what is watched gets no better, and the best epoch is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse

from domain.arrays import RowArray
from domain.stages import Progress
from training.knowledge import Knowledge
from training.losses import sampled_softmax
from training.matrices import weighted, weights
from training.space import Space
from training.two_tower import TowerInputs, TowerShape, TwoTowers, embed


@dataclass(frozen=True)
class TowerOptions:
    """epochs: at most so many; patience: epochs without a better watched figure before training stops. id_dropout: the share of creators in a batch
    that must do with their content, as strangers tag them. boost: see `embed`."""

    epochs: int = 10
    patience: int = 2
    batch: int = 1_024
    learning_rate: float = 3e-4
    id_dropout: float = 0.4
    log_q: bool = True
    tag_strength: float = 0.15
    boost: float = 0.0


@dataclass(frozen=True)
class FittedTowers:
    """space: the embeddings after the best epoch, of which there were `epochs` up to it. curve: per epoch the loss and whatever `watch` said."""

    space: Space
    epochs: int
    curve: list[dict[str, float]]


Watch = Callable[[Space], dict[str, float]]
"""Looks at the space of an epoch. What it calls QUALITY decides when to stop."""
QUALITY = "found"


def fit_towers(known: Knowledge, seed: int, options: TowerOptions, progress: Progress, watch: Watch | None = None) -> FittedTowers:
    """Train on every listen of `known`; without `watch` for all of options.epochs. For what a user played, `taste` is a prediction from the rest
    already (see item_model), and the creator's own tags are taken out of the history's: the positive never sees itself."""
    torch.manual_seed(seed)
    random = np.random.default_rng([seed, 1])
    tags = known.tags.creators
    history = np.asarray(weighted(known.listens) @ tags).astype(np.float32)
    inputs = TowerInputs.of(known, history)
    model = TwoTowers(len(tags), TowerShape.of(known))
    model.begin_from(known, options.tag_strength)
    batches = Batches(known, inputs, options)
    optimiser = torch.optim.Adam(model.parameters(), lr=options.learning_rate)
    curve: list[dict[str, float]] = []
    best, best_space = 0, embed(model, inputs, known.listeners, options.boost)
    progress.start("train the towers", options.epochs)
    while len(curve) < options.epochs and len(curve) - best < options.patience:
        loss = _train_epoch(model, optimiser, batches, random)
        space = embed(model, inputs, known.listeners, options.boost)
        curve.append({"loss": loss} | (watch(space) if watch else {}))
        progress.advance(1)
        if best == 0 or watch is None or curve[-1][QUALITY] > curve[best - 1][QUALITY]:
            best, best_space = len(curve), space
    progress.advance(options.epochs - len(curve))
    return FittedTowers(best_space, best, curve)


def _train_epoch(model: TwoTowers, optimiser: torch.optim.Optimizer, batches: Batches, random: np.random.Generator) -> float:
    model.train()
    losses = []
    for pairs in batches.shuffled(random):
        loss = batches.loss(model, pairs, random)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    return float(np.mean(losses))


class Batches:
    """Turns pairs of listens into losses."""

    def __init__(self, known: Knowledge, inputs: TowerInputs, options: TowerOptions) -> None:
        listens = known.listens
        self._options, self._inputs, self._played = options, inputs, known.played
        self._users, self._creators = torch.from_numpy(listens.users), torch.from_numpy(listens.creators)
        self._weights = torch.from_numpy(weights(listens))
        share = known.listeners * options.batch / max(1, len(listens))
        self._log_share = torch.from_numpy(np.log(np.maximum(share, 1e-9)).astype(np.float32))

    def shuffled(self, random: np.random.Generator) -> list[RowArray]:
        """Every listen once, in batches."""
        order = random.permutation(len(self._users))
        return [order[start : start + self._options.batch] for start in range(0, len(order), self._options.batch)]

    def loss(self, model: TwoTowers, pairs: RowArray, random: np.random.Generator) -> torch.Tensor:
        """The loss of some listens against each other."""
        chosen = torch.from_numpy(pairs)
        users, creators = self._users[chosen], self._creators[chosen]
        has_id = torch.from_numpy((random.random(len(pairs)) >= self._options.id_dropout).astype(np.float32))
        content = torch.where(has_id[:, None] > 0, self._inputs.content[creators], self._inputs.unheard[creators])
        own_tags = self._inputs.content[creators, :-1] * self._weights[chosen][:, None]
        asking = model.users(self._inputs.taste[users], self._inputs.history_tags[users] - own_tags)
        scores = asking @ model.creators(creators, content, has_id).T * model.log_sharpness.exp()
        log_share = self._log_share[creators] if self._options.log_q else torch.zeros(len(creators))
        return sampled_softmax(scores, creators, log_share, self._known(users, creators))

    def _known(self, users: torch.Tensor, creators: torch.Tensor) -> torch.Tensor:
        block: sparse.csr_matrix = self._played[users.numpy()]
        return torch.from_numpy(block[:, creators.numpy()].toarray() > 0)
