"""Exports LightGBM rankers for the tests. Needs lightgbm and onnxmltools: `python tests/models/export_trees.py`."""

from __future__ import annotations

from pathlib import Path

import lightgbm
import numpy as np
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType

HERE = Path(__file__).parent
WIDTH, TREES = 21, 200


def main() -> None:
    """A regressor of 200 trees, and a classifier with probabilities; both learn to treat NaN as missing."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(3000, WIDTH)).astype(np.float32)
    x[rng.random(x.shape) < 0.05] = np.nan
    y = np.nan_to_num(x[:, 0] * x[:, 9]) + np.nan_to_num(x[:, 20]) + 0.1 * rng.normal(size=len(x))
    settings = {"n_estimators": TREES, "num_leaves": 8, "random_state": 5, "n_jobs": 1, "verbose": -1}
    inputs = [("features", FloatTensorType([None, WIDTH]))]
    regressor = lightgbm.LGBMRegressor(**settings).fit(x, y)
    model = convert_lightgbm(regressor, initial_types=inputs, target_opset=15)
    (HERE / "lightgbm_regressor.onnx").write_bytes(model.SerializeToString())
    classifier = lightgbm.LGBMClassifier(**settings | {"n_estimators": 20}).fit(x, (y > 0).astype(np.int64))
    model = convert_lightgbm(classifier, initial_types=inputs, target_opset=15, zipmap=False)
    (HERE / "lightgbm_classifier.onnx").write_bytes(model.SerializeToString())
    for model, fitted in (("lightgbm_regressor.onnx", regressor), ("lightgbm_classifier.onnx", classifier)):
        print(model, (HERE / model).stat().st_size, "bytes,", fitted.n_estimators_, "trees")


if __name__ == "__main__":
    main()
