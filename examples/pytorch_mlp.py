"""A ranker in PyTorch with an input each for the user, the creator and the context: `python examples/pytorch_mlp.py my-ranker`.

The user's and the context's inputs have one row for the whole request, the creator's one for every candidate. Codes of country and genre go into
embeddings of the model. `--exporter classic` takes the exporter from before torch.export.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from listening import COUNTRIES, GENRES, Listening, make_listening, output_directory, print_build_command, write_expected, write_tables

BINDING = """\
version = 1
output = "score"

[inputs.user]                 # [1, 18]
per = "request"
columns = ["user.embedding", "user.age_days", "user.age_days.present"]

[inputs.country]              # [1], int64
per = "request"
columns = ["user.country"]

[inputs.context]              # [1, 1]
per = "request"
columns = ["context.hour"]

[inputs.creator]              # [n, 17]
per = "candidate"
columns = ["creator.embedding", "creator.followers"]

[inputs.genre]                # [n], int64
per = "candidate"
columns = ["creator.genre"]

[inputs.similarity]           # [n, 1]
per = "candidate"
columns = ["retrieval.similarity"]

[vocabularies]                # the same codes as in training; 0 is left for what is new
"user.country" = { values = ["SE", "GB", "IN", "BR"], first = 1, unknown = 0 }
"creator.genre" = { values = ["folk", "jazz", "rock", "techno"], first = 1, unknown = 0 }

[defaults]                    # what stands in for a null in users.parquet, and for what a request does not send
"user.age_days" = 0
"user.country" = ""
"context.hour" = 12.0
"""


class Ranker(nn.Module):
    """Scores a row for each creator. Whatever training does to a raw column, like the logarithm here, is part of the model."""

    def __init__(self, user_width: int, creator_width: int) -> None:
        super().__init__()
        self.country = nn.Embedding(len(COUNTRIES) + 1, 4)
        self.genre = nn.Embedding(len(GENRES) + 1, 4)
        width = user_width + creator_width + 4 + 4 + 2 + 1
        self.layers = nn.Sequential(nn.Linear(width, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 1))

    def forward(self, user: Tensor, country: Tensor, context: Tensor, creator: Tensor, genre: Tensor, similarity: Tensor) -> Tensor:
        """user, country and context: one row, or as many as there are creators."""
        count = creator.shape[0]
        user = torch.cat([user[:, :-2], torch.log1p(user[:, -2:-1]) / 5, user[:, -1:]], dim=1)
        creator = torch.cat([creator[:, :-1], torch.log1p(creator[:, -1:]) / 10], dim=1)
        angle = context * (2 * torch.pi / 24)
        of_request = torch.cat([user, self.country(country), torch.sin(angle), torch.cos(angle)], dim=1)
        row = torch.cat([of_request.expand(count, -1), creator, self.genre(genre), similarity], dim=1)
        return self.layers(row)


def inputs(data: Listening, users: np.ndarray, creators: np.ndarray, hours: np.ndarray) -> dict[str, Tensor]:
    """The model's inputs for pairs of a user and a creator, a row each, built as the binding says."""
    age = data.age_or_nan(users)
    country_codes = {None: 0} | {name: code for code, name in enumerate(COUNTRIES, 1)}
    genre_codes = {name: code for code, name in enumerate(GENRES, 1)}
    arrays = {
        "user": np.column_stack([data.user_embedding[users], np.nan_to_num(age, nan=0), ~np.isnan(age)]).astype(np.float32),
        "country": np.array([country_codes[data.country[user]] for user in users]),
        "context": hours[:, None],
        "creator": np.column_stack([data.creator_embedding[creators], data.followers[creators]]).astype(np.float32),
        "genre": np.array([genre_codes[data.genre[creator]] for creator in creators]),
        "similarity": data.similarity(users, creators)[:, None],
    }
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def train(data: Listening) -> Ranker:
    """A model that says how likely a creator is heard."""
    torch.manual_seed(0)
    examples = inputs(data, data.shown_user, data.shown_creator, data.hour)
    heard = torch.from_numpy(data.heard.astype(np.float32))[:, None]
    model = Ranker(examples["user"].shape[1], examples["creator"].shape[1])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(100):
        optimizer.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(model(**examples), heard)
        loss.backward()
        optimizer.step()
    print(f"loss {loss.item():.3f}")
    return model.eval()


def export(model: Ranker, examples: dict[str, Tensor], file: Path, exporter: str) -> None:
    """Write the model with a dynamic number of candidates, and exactly one row for the request."""
    of_request = ("user", "country", "context")
    examples = {name: tensor[:1] if name in of_request else tensor for name, tensor in examples.items()}
    if exporter == "dynamo":
        count = torch.export.Dim("count")
        shapes = {name: None if name in of_request else {0: count} for name in examples}
        options = {"dynamo": True, "dynamic_shapes": shapes, "external_data": False}
    else:
        options = {"dynamo": False, "dynamic_axes": {name: {0: "count"} for name in (*examples, "score") if name not in of_request}}
    names = {"input_names": list(examples), "output_names": ["score"]}
    torch.onnx.export(model, tuple(examples.values()), str(file), **names, **options, verbose=False)


def main() -> None:
    """Train, export, and write what the build needs."""
    out, arguments = output_directory("Train and export a ranker with PyTorch.", exporter=("dynamo", "classic"))
    data = make_listening()
    model = train(data)
    few = slice(0, 3)  # any number but 1: an exporter may take a dimension of 1 for a constant
    export(model, inputs(data, data.shown_user[few], data.shown_creator[few], data.hour[few]), out / "ranker.onnx", arguments.exporter)
    (out / "binding.toml").write_text(BINDING, encoding="utf-8")
    write_tables(data, out)
    with torch.inference_mode():
        write_expected(data, out, lambda *rows: model(**inputs(data, *rows))[:, 0].numpy())
    print_build_command(out, binding="binding.toml")


if __name__ == "__main__":
    main()
