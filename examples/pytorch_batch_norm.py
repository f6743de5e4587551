"""A ranker in PyTorch that takes one matrix and normalises it first: `python examples/pytorch_batch_norm.py my-ranker`."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from listening import Listening, make_listening, output_directory, print_build_command, write_expected, write_tables
from one_matrix import feature_rows, put_binding

UNKNOWN_AGE = 0.0


def features(data: Listening, *rows: np.ndarray) -> Tensor:
    """The matrix without NaN."""
    return torch.from_numpy(np.nan_to_num(feature_rows(data, *rows), nan=UNKNOWN_AGE))


def train(data: Listening) -> nn.Module:
    """A model that says how likely a creator is heard."""
    torch.manual_seed(0)
    x = features(data, data.shown_user, data.shown_creator, data.hour)
    heard = torch.from_numpy(data.heard.astype(np.float32))[:, None]
    model = nn.Sequential(nn.BatchNorm1d(x.shape[1]), nn.Linear(x.shape[1], 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(100):
        optimizer.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(model(x), heard)
        loss.backward()
        optimizer.step()
    print(f"loss {loss.item():.3f}")
    return model.eval()  # before the export: in training mode a row's score depends on its neighbours, which the build refuses


def main() -> None:
    """Train, export, and write what the build needs."""
    out, _ = output_directory("Train and export a ranker with PyTorch that normalises its input.")
    data = make_listening()
    model = train(data)
    example = features(data, data.shown_user[:3], data.shown_creator[:3], data.hour[:3])
    shapes = ({0: torch.export.Dim("count")},)
    names = {"input_names": ["features"], "output_names": ["score"]}
    torch.onnx.export(model, (example,), str(out / "ranker.onnx"), **names, dynamic_shapes=shapes, dynamo=True, external_data=False, verbose=False)
    exported = onnx.load(out / "ranker.onnx")
    put_binding(exported, "features", output="score", unknown_age=UNKNOWN_AGE)
    (out / "ranker.onnx").write_bytes(exported.SerializeToString())
    write_tables(data, out)
    with torch.inference_mode():
        write_expected(data, out, lambda *rows: model(features(data, *rows))[:, 0].numpy())
    print_build_command(out)


if __name__ == "__main__":
    main()
