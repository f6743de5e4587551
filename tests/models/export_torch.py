"""Exports small PyTorch rankers, untrained but seeded, for the tests. Needs torch and onnxscript: `python tests/models/export_torch.py`.

The committed files were made with torch 2.13 and onnxscript 0.7; other versions write other bytes and the same functions.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch import nn

HERE = Path(__file__).parent
OPSET = 17
DIMENSIONS, WIDTH, LENGTH = 8, 21, 6


class Mlp(nn.Module):
    """features [n, 21] -> score [n, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.BatchNorm1d(WIDTH), nn.Linear(WIDTH, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 1))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.layers(features)


class HistoryAttention(nn.Module):
    """Attention of each candidate over the request's history, which may be empty -> score [n]."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.out = nn.Linear(DIMENSIONS, DIMENSIONS), nn.Linear(DIMENSIONS, DIMENSIONS), nn.Linear(DIMENSIONS, 1)

    def forward(self, creator: torch.Tensor, history: torch.Tensor, history_mask: torch.Tensor) -> torch.Tensor:
        weights = self.query(creator) @ self.key(history[0]).T / DIMENSIONS**0.5
        weights = torch.softmax(weights + (history_mask - 1.0) * 1e9, dim=1)
        return self.out(torch.tanh(weights @ (history[0] * history_mask[0][:, None]) + creator)).squeeze(1)


class TwoHeads(nn.Module):
    """features [n, 21] -> p_follow [n], p_stream [n, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.follow, self.stream = nn.Linear(WIDTH, 12), nn.Linear(12, 1), nn.Linear(12, 1)

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = torch.relu(self.body(features))
        return torch.sigmoid(self.follow(x)).squeeze(1), torch.sigmoid(self.stream(x))


class TwoTowers(nn.Module):
    """user [1, 9] and creator [n, 10] -> score [n]: the user's side runs once."""

    def __init__(self) -> None:
        super().__init__()
        self.user_tower, self.creator_tower = nn.Linear(DIMENSIONS + 1, 6), nn.Linear(DIMENSIONS + 2, 6)

    def forward(self, user: torch.Tensor, creator: torch.Tensor) -> torch.Tensor:
        return (torch.tanh(self.creator_tower(creator)) * torch.tanh(self.user_tower(user))).sum(dim=1)


class IdEmbedding(nn.Module):
    """country [1] and genre [n], both int64 codes, beside similarity [n] -> score [n]."""

    def __init__(self) -> None:
        super().__init__()
        self.country, self.genre = nn.Embedding(4, 5), nn.Embedding(6, 5)

    def forward(self, country: torch.Tensor, genre: torch.Tensor, similarity: torch.Tensor) -> torch.Tensor:
        return (self.country(country) * self.genre(genre)).sum(dim=1) + similarity


def export(name: str, model: nn.Module, examples: dict[str, torch.Tensor], outputs: list[str], dynamo: bool, external_data: bool = False) -> None:
    """Write one model; inputs whose example has three rows have a dynamic first axis."""
    model.eval()
    dynamic = [key for key, value in examples.items() if value.shape[0] == 3]
    options: dict[str, object] = {"input_names": list(examples), "output_names": outputs, "opset_version": OPSET, "dynamo": dynamo}
    if dynamo:
        batch = torch.export.Dim("batch")
        options |= {
            "dynamic_shapes": {key: {0: batch} if key in dynamic else None for key in examples},
            "external_data": external_data,
            "optimize": True,
        }
    else:
        options |= {"dynamic_axes": {key: {0: "batch"} for key in (*dynamic, *outputs)}}
    torch.onnx.export(model, tuple(examples.values()), str(HERE / name), **options)


def main() -> None:
    """Write all of them."""
    warnings.simplefilter("ignore")
    torch.manual_seed(20)
    rows, d = 3, DIMENSIONS
    features = {"features": torch.randn(rows, WIDTH)}
    history = {"creator": torch.randn(rows, d), "history": torch.randn(1, LENGTH, d), "history_mask": torch.ones(1, LENGTH)}
    towers = {"user": torch.randn(1, d + 1), "creator": torch.randn(rows, d + 2)}
    ids = {"country": torch.tensor([1]), "genre": torch.tensor([0, 1, 2]), "similarity": torch.randn(rows)}
    mlp = Mlp()
    mlp(torch.randn(64, WIDTH) * 2 + 1)  # running statistics of the normalisation that are not 0 and 1
    export("torch_script_mlp.onnx", mlp, features, ["score"], dynamo=False)
    export("torch_dynamo_mlp.onnx", mlp, features, ["score"], dynamo=True)
    export("torch_external.onnx", mlp, features, ["score"], dynamo=True, external_data=True)
    attention = HistoryAttention()
    export("torch_script_attention.onnx", attention, history, ["score"], dynamo=False)
    export("torch_dynamo_attention.onnx", attention, history, ["score"], dynamo=True)
    export("torch_two_heads.onnx", TwoHeads(), features, ["p_follow", "p_stream"], dynamo=True)
    export("torch_two_towers.onnx", TwoTowers(), towers, ["score"], dynamo=True)
    export("torch_id_embedding.onnx", IdEmbedding(), ids, ["score"], dynamo=True)


if __name__ == "__main__":
    main()
