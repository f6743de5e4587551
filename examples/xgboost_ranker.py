"""An XGBoost ranker, exported with onnxmltools: `python examples/xgboost_ranker.py my-ranker`."""

from __future__ import annotations

import math

import xgboost
from onnxmltools import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType

from listening import make_listening, output_directory, print_build_command, write_expected, write_tables
from one_matrix import feature_rows, put_binding


def main() -> None:
    """Train, export, and write what the build needs."""
    out, _ = output_directory("Train and export a ranker with XGBoost.")
    data = make_listening()
    x = feature_rows(data, data.shown_user, data.shown_creator, data.hour)
    # qid: what was shown to one user is ordered against itself. Columns have no names here; the converter reads "f0", "f1" and so on only.
    model = xgboost.XGBRanker(n_estimators=60, max_depth=4, random_state=0, n_jobs=1).fit(x, data.heard, qid=data.shown_user)

    # The converter knows regressors and classifiers only. A ranker's score is the sum of its trees, which is what it writes for a regressor.
    trees = xgboost.XGBRegressor()
    trees.load_model(model.get_booster().save_raw())
    # None: any number of candidates. Models of trees need no newer opset than 15.
    exported = convert_xgboost(trees, initial_types=[("features", FloatTensorType([None, x.shape[1]]))], target_opset=15)
    put_binding(exported, "features", output="variable", unknown_age=math.nan)
    (out / "ranker.onnx").write_bytes(exported.SerializeToString())
    write_tables(data, out)
    write_expected(data, out, lambda *rows: model.predict(feature_rows(data, *rows)))
    print_build_command(out)


if __name__ == "__main__":
    main()
