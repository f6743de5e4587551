"""Exports a small PyTorch ranker of each shape that folding is for, with both of torch's exporters. Needs torch, onnx and onnxscript:
`python tests/models/export_zoo.py`.

Untrained but seeded, and written as teams write them: inputs come as training batches do, so the user's columns stand in every row. The committed
files were made with torch 2.13 and onnxscript 0.7; other versions write other bytes and the same functions.
"""

from __future__ import annotations

import warnings
from itertools import pairwise
from pathlib import Path

import onnx
import torch
from torch import nn
from torch.nn import functional

HERE = Path(__file__).parent
OPSETS = {"script": 17, "dynamo": 18}  # the oldest that the newer exporter writes by itself
USER, CREATOR, CONTEXT, DIMENSIONS, LENGTH = 9, 12, 1, 8, 6
COUNTRIES, GENRES, SIZES = 3, 4, 100


def mlp(*widths: int) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    layers: list[nn.Module] = []
    for width_in, width_out in pairwise(widths):
        layers += [nn.Linear(width_in, width_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class ConcatMlp(nn.Module):
    """user [n, 9], creator [n, 12], context [n, 1], similarity [n, 1] -> score [n, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = mlp(USER + CREATOR + CONTEXT + 1, 16, 8, 1)

    def forward(self, user: torch.Tensor, creator: torch.Tensor, context: torch.Tensor, similarity: torch.Tensor) -> torch.Tensor:
        return self.layers(torch.cat([user, creator, context, similarity], dim=1))


class TwoTowersCross(nn.Module):
    """Towers that end in embeddings, and a network over [u, c, u * c, context]: user [n, 9], creator [n, 12], context [n, 1] -> score [n]."""

    def __init__(self) -> None:
        super().__init__()
        self.user_tower, self.creator_tower = mlp(USER, 10, 6), mlp(CREATOR, 14, 6)
        self.cross = mlp(3 * 6 + CONTEXT, 8, 1)

    def forward(self, user: torch.Tensor, creator: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        u, c = self.user_tower(user), self.creator_tower(creator)
        return self.cross(torch.cat([u, c, u * c, context], dim=-1)).squeeze(-1)


class TwoTowersSliced(nn.Module):
    """The same out of one matrix, features [n, 22], with embeddings of length 1 and their cosine -> score [n, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.user_tower, self.creator_tower = mlp(USER, 10, 6), mlp(CREATOR, 14, 6)
        self.cross = mlp(2 * 6 + 1 + CONTEXT, 8, 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        u = functional.normalize(self.user_tower(features[:, :USER]), dim=1)
        c = functional.normalize(self.creator_tower(features[:, USER : USER + CREATOR]), dim=1)
        cosine = (u * c).sum(dim=1, keepdim=True)
        return torch.sigmoid(self.cross(torch.cat([u, c, cosine, features[:, USER + CREATOR :]], dim=1)))


class CrossNetwork(nn.Module):
    """DCN-v2 (Wang et al., 2021): two cross layers beside a deep network, features [n, 22] -> score [n, 1]."""

    def __init__(self) -> None:
        super().__init__()
        width = USER + CREATOR + CONTEXT
        self.crosses = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.deep, self.out = mlp(width, 16, 8), nn.Linear(width + 8, 1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        x = features
        for cross in self.crosses:
            x = features * cross(x) + x
        return self.out(torch.cat([x, torch.relu(self.deep(features))], dim=1))


class DeepFm(nn.Module):
    """DeepFM (Guo et al., 2017): ids int64 [n, 3] of country, genre and size, numbers [n, 3] -> score [n]."""

    def __init__(self) -> None:
        super().__init__()
        self.fields = nn.ModuleList(nn.Embedding(count, 5) for count in (COUNTRIES, GENRES, SIZES))
        self.first_order = nn.ModuleList(nn.Embedding(count, 1) for count in (COUNTRIES, GENRES, SIZES))
        self.of_numbers, self.linear = nn.Parameter(torch.randn(3, 5) / 2), nn.Linear(3, 1)
        self.deep = mlp(6 * 5, 12, 1)

    def forward(self, ids: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        embedded = torch.stack([field(ids[:, i]) for i, field in enumerate(self.fields)], dim=1)
        fields = torch.cat([embedded, numbers.unsqueeze(2) * self.of_numbers], dim=1)
        pairs = 0.5 * (fields.sum(dim=1).square() - fields.square().sum(dim=1)).sum(dim=1)
        first = torch.cat([field(ids[:, i]) for i, field in enumerate(self.first_order)], dim=1).sum(dim=1) + self.linear(numbers).squeeze(1)
        return torch.sigmoid(first + pairs + self.deep(fields.flatten(1)).squeeze(1))


class HistoryAttention(nn.Module):
    """The request's history [1, 6, 8] with its mask [1, 6] is laid beside every candidate, projected, and asked by the creator [n, 8]; then a network
    with the user [n, 9] -> score [n]."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(DIMENSIONS, DIMENSIONS) for _ in range(3))
        self.head = mlp(2 * DIMENSIONS + USER, 12, 1)

    def forward(self, user: torch.Tensor, creator: torch.Tensor, history: torch.Tensor, history_mask: torch.Tensor) -> torch.Tensor:
        n = creator.shape[0]
        history, mask = history.expand(n, -1, -1), history_mask.expand(n, -1)
        keys, values, query = self.key(history), self.value(history), self.query(creator).unsqueeze(1)
        weights = (query @ keys.transpose(1, 2)).squeeze(1) / DIMENSIONS**0.5
        weights = torch.softmax(weights.masked_fill(mask == 0, -1e9), dim=-1)
        heard = (weights.unsqueeze(1) @ values).squeeze(1)
        return self.head(torch.cat([creator, heard, user], dim=1)).squeeze(1)


class HistoryHeads(nn.Module):
    """The same with two heads and torch's own attention: creator [n, 8], history [1, 6, 8], history_mask [1, 6] -> score [n, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(DIMENSIONS, DIMENSIONS) for _ in range(3))
        self.head = mlp(2 * DIMENSIONS, 12, 1)

    def forward(self, creator: torch.Tensor, history: torch.Tensor, history_mask: torch.Tensor) -> torch.Tensor:
        n = creator.shape[0]
        history = history.expand(n, -1, -1)
        q, k, v = (x.view(n, -1, 2, DIMENSIONS // 2).transpose(1, 2) for x in (self.query(creator), self.key(history), self.value(history)))
        bias = (history_mask[:, None, None, :] - 1.0) * 1e9
        heard = functional.scaled_dot_product_attention(q, k, v, attn_mask=bias).transpose(1, 2).reshape(n, DIMENSIONS)
        return self.head(torch.cat([creator, heard], dim=1))


class HistoryPairs(nn.Module):
    """Deep Interest Network (Zhou et al., 2018): a network weighs every pair of the creator [n, 8] and something heard; the history [n, 6, 8] and its
    mask [n, 6] stand in every row, as batches of training have them -> score [n, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.weigh, self.head = mlp(4 * DIMENSIONS, 6, 1), mlp(2 * DIMENSIONS, 12, 1)

    def forward(self, creator: torch.Tensor, history: torch.Tensor, history_mask: torch.Tensor) -> torch.Tensor:
        query = creator.unsqueeze(1).expand(-1, LENGTH, -1)
        weights = self.weigh(torch.cat([query, history, query - history, query * history], dim=2)).squeeze(2) * history_mask
        return self.head(torch.cat([creator, (weights.unsqueeze(2) * history).sum(dim=1)], dim=1))


class Interleaved(nn.Module):
    """Pieces of both sides in turns, gates that one layer brings along with what they gate, and experts as one tensor: user [n, 9], creator [n, 12],
    context [n, 1] -> score [n, 1]."""

    def __init__(self) -> None:
        super().__init__()
        width = USER + CREATOR + CONTEXT
        self.gated, self.experts = nn.Linear(width, 16), nn.Parameter(torch.randn(3, 8, 4) / 3)
        self.out = nn.Linear(12, 1)

    def forward(self, user: torch.Tensor, creator: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        pieces = [creator[:, 4:], user[:, :5], context, creator[:, :4], user[:, 5:]]
        value, gate = self.gated(torch.cat(pieces, dim=1)).chunk(2, dim=1)
        experts = torch.einsum("nd,edh->neh", value * torch.sigmoid(gate), self.experts)
        return self.out(torch.tanh(experts).flatten(1))


class BatchNorm(nn.Module):
    """Statistics of training before the first layer and behind it, and Dropout, which inference leaves out: features [n, 23] -> score [n, 1]."""

    def __init__(self) -> None:
        super().__init__()
        width = USER + CREATOR + CONTEXT + 1
        first = [nn.BatchNorm1d(width), nn.Linear(width, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3)]
        self.layers = nn.Sequential(*first, nn.Linear(16, 8), nn.LayerNorm(8), nn.GELU(), nn.Dropout(0.3), nn.Linear(8, 1))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.layers(features)


class Heads(nn.Module):
    """Experts with a gate for each task (MMoE, Ma et al., 2018): features [n, 22] -> p_follow [n], p_stream [n, 1], mood [n, 3]."""

    def __init__(self) -> None:
        super().__init__()
        width = USER + CREATOR + CONTEXT
        self.experts = nn.ModuleList(mlp(width, 8, 6) for _ in range(2))
        self.gates = nn.ModuleList(nn.Linear(width, 2) for _ in range(3))
        self.follow, self.stream, self.mood = nn.Linear(6, 1), nn.Linear(6, 1), nn.Linear(6, 3)

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        experts = torch.stack([expert(features) for expert in self.experts], dim=1)
        mixed = [(torch.softmax(gate(features), dim=1).unsqueeze(2) * experts).sum(dim=1) for gate in self.gates]
        return torch.sigmoid(self.follow(mixed[0])).squeeze(1), torch.sigmoid(self.stream(mixed[1])), torch.softmax(self.mood(mixed[2]), dim=1)


class IdEmbeddings(nn.Module):
    """Embeddings of ids inside the model: country [n], genre [n] and size [n, 1], all int64, numbers [n, 3] -> score [n]."""

    def __init__(self) -> None:
        super().__init__()
        self.country, self.genre, self.size = nn.Embedding(COUNTRIES, 5), nn.Embedding(GENRES, 5), nn.Embedding(SIZES, 4)
        self.head = mlp(5 + 5 + 4 + 3, 12, 1)

    def forward(self, country: torch.Tensor, genre: torch.Tensor, size: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        x = torch.cat([self.country(country), self.genre(genre), self.size(size).squeeze(1), numbers], dim=1)
        return self.head(x).squeeze(1)


def export(name: str, model: nn.Module, examples: dict[str, torch.Tensor], outputs: tuple[str, ...] = ("score",)) -> None:
    """Write one model twice; inputs whose example has three rows have a dynamic first axis."""
    model.eval()
    dynamic = [key for key, value in examples.items() if value.shape[0] == 3]
    options: dict[str, object] = {"input_names": list(examples), "output_names": list(outputs)}
    axes = {key: {0: "batch"} for key in (*dynamic, *outputs)}
    arguments = tuple(examples.values())
    script, path = (HERE / f"zoo_{name}_{exporter}.onnx" for exporter in OPSETS)
    torch.onnx.export(model, arguments, str(script), **options, opset_version=OPSETS["script"], dynamic_axes=axes, dynamo=False)
    batch = torch.export.Dim("batch")
    shapes = {key: {0: batch} if key in dynamic else None for key in examples}
    options |= {"opset_version": OPSETS["dynamo"], "dynamic_shapes": shapes, "external_data": False, "optimize": True}
    torch.onnx.export(model, arguments, str(path), **options, dynamo=True)
    without_traces(path)


def without_traces(path: Path) -> None:
    """Drop the stack traces that this exporter leaves on nodes: they name the machine."""
    written = onnx.load(path)
    for one in (*written.graph.node, *written.graph.value_info, *written.graph.input, *written.graph.output, *written.graph.initializer):
        del one.metadata_props[:]
    onnx.save(written, path)


def main() -> None:
    """Write all of them."""
    warnings.simplefilter("ignore")
    torch.manual_seed(21)
    n = 3
    sides = {"user": torch.randn(n, USER), "creator": torch.randn(n, CREATOR), "context": torch.randn(n, CONTEXT)}
    features = {"features": torch.randn(n, USER + CREATOR + CONTEXT)}
    history = {"history": torch.randn(1, LENGTH, DIMENSIONS), "history_mask": torch.ones(1, LENGTH)}
    creator = {"creator": torch.randn(n, DIMENSIONS)}
    numbers = {"numbers": torch.randn(n, 3)}
    codes = torch.tensor([0, 1, 2])
    normed = BatchNorm()
    for _ in range(20):  # running statistics that are not 0 and 1
        normed(torch.randn(64, USER + CREATOR + CONTEXT + 1) * 2 + 1)
    export("concat_mlp", ConcatMlp(), {**sides, "similarity": torch.randn(n, 1)})
    export("two_towers_cross", TwoTowersCross(), sides)
    export("two_towers_sliced", TwoTowersSliced(), features)
    export("cross_network", CrossNetwork(), features)
    export("deep_fm", DeepFm(), {"ids": torch.stack([codes, codes, codes], dim=1), **numbers})
    export("history_attention", HistoryAttention(), {"user": sides["user"], **creator, **history})
    export("history_heads", HistoryHeads(), {**creator, **history})
    export("batch_norm", normed, {"features": torch.randn(n, USER + CREATOR + CONTEXT + 1)})
    export("heads", Heads(), features, ("p_follow", "p_stream", "mood"))
    each = {"country": codes.clone(), "genre": codes.clone(), "size": codes[:, None].clone()}  # no tensor twice: torch.export would take them for one
    export("id_embeddings", IdEmbeddings(), {**each, **numbers})
    export("history_pairs", HistoryPairs(), {**creator, "history": torch.randn(n, LENGTH, DIMENSIONS), "history_mask": torch.ones(n, LENGTH)})
    export("interleaved", Interleaved(), sides)


if __name__ == "__main__":
    main()
