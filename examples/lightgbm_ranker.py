"""A LightGBM ranker, exported with onnxmltools: `python examples/lightgbm_ranker.py my-ranker`."""

from __future__ import annotations

import math

import lightgbm
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType

from listening import SHOWN_PER_USER, make_listening, output_directory, print_build_command, write_expected, write_tables
from one_matrix import feature_rows, put_binding


def main() -> None:
    """Train, export, and write what the build needs."""
    out, _ = output_directory("Train and export a ranker with LightGBM.")
    data = make_listening()
    x = feature_rows(data, data.shown_user, data.shown_creator, data.hour)
    groups = [SHOWN_PER_USER] * len(data.user_ids)  # what was shown to one user is ordered against itself
    model = lightgbm.LGBMRanker(n_estimators=60, num_leaves=15, random_state=0, n_jobs=1, verbose=-1).fit(x, data.heard, group=groups)

    # None: any number of candidates. Models of trees need no newer opset than 15.
    exported = convert_lightgbm(model, initial_types=[("features", FloatTensorType([None, x.shape[1]]))], target_opset=15)
    put_binding(exported, "features", output="variable", unknown_age=math.nan)
    (out / "ranker.onnx").write_bytes(exported.SerializeToString())
    write_tables(data, out)
    write_expected(data, out, lambda *rows: model.predict(feature_rows(data, *rows)))
    print_build_command(out)


if __name__ == "__main__":
    main()
