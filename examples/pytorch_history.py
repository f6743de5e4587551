"""A ranker in PyTorch that reads what the user heard last, and has two heads: `python examples/pytorch_history.py my-ranker`.

The history comes as the embeddings of the creators heard, zero-padded, with a mask. The score is the sum of both heads, weighted by the objective.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from listening import DIMENSIONS, Listening, make_listening, output_directory, print_build_command, write_expected, write_tables

LENGTH = 12
OBJECTIVE = {"p_heard": 1.0, "log_seconds": 0.3}
BINDING = f"""\
version = 1
objective = {{ p_heard = {OBJECTIVE["p_heard"]}, log_seconds = {OBJECTIVE["log_seconds"]} }}

[inputs.creator]              # [n, {DIMENSIONS}]
per = "candidate"
columns = ["creator.embedding"]

[inputs.history]              # [1, {LENGTH}, {DIMENSIONS}]: the newest {LENGTH}, in the order of the list, zeros behind
per = "request"
columns = ["user.history.creator.embedding"]
length = {LENGTH}

[inputs.history_mask]         # [1, {LENGTH}]: 1 where there is an entry, 0 where there is none
per = "request"
columns = ["user.history.mask"]
length = {LENGTH}

[inputs.context]              # [1, 1]
per = "request"
columns = ["context.hour"]

[defaults]
"context.hour" = 12.0
"""


class Ranker(nn.Module):
    """Each candidate attends to the history. Whoever has none gets zeros in its place, and not the average of the padding."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key = nn.Linear(DIMENSIONS, DIMENSIONS), nn.Linear(DIMENSIONS, DIMENSIONS)
        self.body = nn.Linear(2 * DIMENSIONS + 2, 32)
        self.heard, self.seconds = nn.Linear(32, 1), nn.Linear(32, 1)

    def forward(self, creator: Tensor, history: Tensor, history_mask: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """history [b, length, dimensions], history_mask [b, length], context [b, 1]: b is 1, or the number of creators."""
        count = creator.shape[0]
        weights = (self.query(creator)[:, None, :] * self.key(history)).sum(dim=2) / DIMENSIONS**0.5
        weights = torch.softmax(weights + (history_mask - 1) * 1e4, dim=1) * history_mask
        attended = (weights[:, :, None] * history).sum(dim=1)
        angle = context * (2 * torch.pi / 24)
        hour = torch.cat([torch.sin(angle), torch.cos(angle)], dim=1).expand(count, -1)
        x = torch.relu(self.body(torch.cat([creator, attended, hour], dim=1)))
        return torch.sigmoid(self.heard(x)), self.seconds(x)


def inputs(data: Listening, users: np.ndarray, creators: np.ndarray, hours: np.ndarray) -> dict[str, Tensor]:
    """The model's inputs for pairs of a user and a creator, a row each, built as the binding says."""
    history = np.zeros((len(data.user_ids), LENGTH, DIMENSIONS), np.float32)
    mask = np.zeros((len(data.user_ids), LENGTH), np.float32)
    for user, heard in enumerate(data.history):
        newest = heard[-LENGTH:]
        history[user, : len(newest)] = data.creator_embedding[newest]
        mask[user, : len(newest)] = 1
    arrays = {"creator": data.creator_embedding[creators], "history": history[users], "history_mask": mask[users], "context": hours[:, None]}
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def train(data: Listening) -> Ranker:
    """A model with a head for whether a creator is heard, and one for how long."""
    torch.manual_seed(0)
    examples = inputs(data, data.shown_user, data.shown_creator, data.hour)
    heard, log_seconds = (torch.from_numpy(np.float32(values))[:, None] for values in (data.heard, np.log1p(data.seconds)))
    model = Ranker()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        p_heard, seconds = model(**examples)
        loss = nn.functional.binary_cross_entropy(p_heard, heard) + 0.1 * nn.functional.mse_loss(seconds, log_seconds)
        loss.backward()
        optimizer.step()
    print(f"loss {loss.item():.3f}")
    return model.eval()


def export(model: Ranker, examples: dict[str, Tensor], file: Path, exporter: str) -> None:
    """Write the model with a dynamic number of candidates, and exactly one row for the request."""
    examples = {name: tensor if name == "creator" else tensor[:1] for name, tensor in examples.items()}
    if exporter == "dynamo":
        shapes = {name: {0: torch.export.Dim("count")} if name == "creator" else None for name in examples}
        options = {"dynamo": True, "dynamic_shapes": shapes, "external_data": False}
    else:
        options = {"dynamo": False, "dynamic_axes": {name: {0: "count"} for name in ("creator", *OBJECTIVE)}}
    names = {"input_names": list(examples), "output_names": list(OBJECTIVE)}
    torch.onnx.export(model, tuple(examples.values()), str(file), **names, **options, verbose=False)


def main() -> None:
    """Train, export, and write what the build needs."""
    out, arguments = output_directory("Train and export a ranker with PyTorch that reads the history.", exporter=("dynamo", "classic"))
    data = make_listening()
    model = train(data)
    few = slice(0, 3)  # any number but 1: an exporter may take a dimension of 1 for a constant
    export(model, inputs(data, data.shown_user[few], data.shown_creator[few], data.hour[few]), out / "ranker.onnx", arguments.exporter)
    (out / "binding.toml").write_text(BINDING, encoding="utf-8")
    write_tables(data, out)

    def score(*rows: np.ndarray) -> np.ndarray:
        heads = dict(zip(OBJECTIVE, model(**inputs(data, *rows)), strict=True))
        return sum(weight * heads[name][:, 0].numpy() for name, weight in OBJECTIVE.items())

    with torch.inference_mode():
        write_expected(data, out, score)
    print_build_command(out, binding="binding.toml", ignore_column="age_days")  # it has nulls, and nothing here reads it


if __name__ == "__main__":
    main()
