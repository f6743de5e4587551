"""A ranker in scikit-learn, exported with skl2onnx: `python examples/scikit_learn.py my-ranker`.

`--model regressor` (a scaler and a small network that predict how long somebody listens), or `--model classifier` (boosted trees that say how likely
a creator is heard).
"""

from __future__ import annotations

import numpy as np
from onnx import ModelProto
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.base import BaseEstimator
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from listening import Listening, make_listening, output_directory, print_build_command, write_expected, write_tables
from one_matrix import feature_rows, put_binding

OPSET = {"": 17, "ai.onnx.ml": 3}
UNKNOWN_AGE = 0.0  # what both take for an age that is not known


def rows_without_gaps(data: Listening, *rows: np.ndarray) -> np.ndarray:
    """The matrix without NaN, which neither of the two takes."""
    return np.nan_to_num(feature_rows(data, *rows), nan=UNKNOWN_AGE)


def make_regressor(data: Listening) -> tuple[BaseEstimator, ModelProto]:
    """A pipeline, and the model that it becomes. Its one output is called "variable"."""
    x = rows_without_gaps(data, data.shown_user, data.shown_creator, data.hour)
    model = make_pipeline(StandardScaler(), MLPRegressor(hidden_layer_sizes=(32, 16), max_iter=60, tol=1e-3, random_state=0)).fit(
        x, np.log1p(data.seconds)
    )
    exported = to_onnx(model, initial_types=[("features", FloatTensorType([None, x.shape[1]]))], target_opset=OPSET)
    put_binding(exported, "features", output="variable", unknown_age=UNKNOWN_AGE)
    return model, exported


def make_classifier(data: Listening) -> tuple[BaseEstimator, ModelProto]:
    """A classifier, and the model that it becomes. zipmap=False: probabilities are a matrix then, and not a list of maps, which is refused."""
    x = rows_without_gaps(data, data.shown_user, data.shown_creator, data.hour)
    model = GradientBoostingClassifier(n_estimators=40, random_state=0).fit(x, data.heard)
    inputs = [("features", FloatTensorType([None, x.shape[1]]))]
    exported = to_onnx(model, initial_types=inputs, options={"zipmap": False}, target_opset=OPSET)
    put_binding(exported, "features", output="probabilities[1]", unknown_age=UNKNOWN_AGE)
    return model, exported


def main() -> None:
    """Train, export, and write what the build needs."""
    out, arguments = output_directory("Train and export a ranker with scikit-learn.", model=("regressor", "classifier"))
    data = make_listening()
    if arguments.model == "regressor":
        model, exported = make_regressor(data)
        write_expected(data, out, lambda *rows: model.predict(rows_without_gaps(data, *rows)))
    else:
        model, exported = make_classifier(data)
        write_expected(data, out, lambda *rows: model.predict_proba(rows_without_gaps(data, *rows))[:, 1])
    (out / "ranker.onnx").write_bytes(exported.SerializeToString())
    write_tables(data, out)
    print_build_command(out)


if __name__ == "__main__":
    main()
