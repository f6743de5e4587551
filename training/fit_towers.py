"""Fits the two towers: softmax over the batch's creators, with log-Q correction and ids that drop out at random."""

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
    """id_dropout: the share of creators in a batch that must do with their content, as strangers tag them. boost: see `embed`."""

    epochs: int = 5
    batch: int = 1_024
    learning_rate: float = 3e-4
    id_dropout: float = 0.4
    log_q: bool = True
    content: bool = True
    tag_strength: float = 0.15
    boost: float = 0.0


@dataclass(frozen=True)
class FittedTowers:
    """space: the embeddings. curve: per epoch the loss and whatever `watch` said."""

    space: Space
    curve: list[dict[str, float]]


Watch = Callable[[Space], dict[str, float]]


def fit_towers(known: Knowledge, seed: int, options: TowerOptions, progress: Progress, watch: Watch | None = None) -> FittedTowers:
    """Train on every listen of `known`. For what a user played, `taste` is a prediction from the rest already (see item_model), and the creator's
    own tags are taken out of the history's: the positive never sees itself."""
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
    progress.start("train the towers", options.epochs)
    for _epoch in range(options.epochs):
        model.train()
        losses = []
        for pairs in _shuffled(len(known.listens), options.batch, random):
            loss = batches.loss(model, pairs, random)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(float(loss.detach()))
        space = embed(model, inputs, known.listeners, options.boost)
        curve.append({"loss": float(np.mean(losses))} | (watch(space) if watch else {}))
        progress.advance(1)
    return FittedTowers(embed(model, inputs, known.listeners, options.boost), curve)


class Batches:
    """Turns pairs of listens into losses."""

    def __init__(self, known: Knowledge, inputs: TowerInputs, options: TowerOptions) -> None:
        listens = known.listens
        self._options, self._inputs, self._played = options, inputs, known.played
        self._users, self._creators = torch.from_numpy(listens.users), torch.from_numpy(listens.creators)
        self._weights = torch.from_numpy(weights(listens))
        share = known.listeners * options.batch / max(1, len(listens))
        self._log_share = torch.from_numpy(np.log(np.maximum(share, 1e-9)).astype(np.float32))

    def loss(self, model: TwoTowers, pairs: RowArray, random: np.random.Generator) -> torch.Tensor:
        """The loss of some listens against each other."""
        chosen = torch.from_numpy(pairs)
        users, creators = self._users[chosen], self._creators[chosen]
        has_id = torch.from_numpy((random.random(len(pairs)) >= self._options.id_dropout).astype(np.float32))
        content = torch.where(has_id[:, None] > 0, self._inputs.content[creators], self._inputs.unheard[creators])
        if not self._options.content:
            content = torch.zeros_like(content)
        own_tags = self._inputs.content[creators, :-1] * self._weights[chosen][:, None]
        asking = model.users(self._inputs.taste[users], self._inputs.history_tags[users] - own_tags)
        scores = asking @ model.creators(creators, content, has_id).T * model.log_sharpness.exp()
        log_share = self._log_share[creators] if self._options.log_q else torch.zeros(len(creators))
        return sampled_softmax(scores, creators, log_share, self._known(users, creators))

    def _known(self, users: torch.Tensor, creators: torch.Tensor) -> torch.Tensor:
        block: sparse.csr_matrix = self._played[users.numpy()]
        return torch.from_numpy(block[:, creators.numpy()].toarray() > 0)


def _shuffled(count: int, batch: int, random: np.random.Generator) -> list[RowArray]:
    order = random.permutation(count)
    return [order[start : start + batch] for start in range(0, count, batch)]
