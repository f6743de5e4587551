"""Tests that fit something need the extra train and torch: they run in .venv-train (`make test-train`), the readers' tests everywhere,
properties where Hypothesis is."""

from __future__ import annotations

from importlib.util import find_spec

FITTING = ["test_models.py", "test_objective.py", "test_run.py", "test_told_run.py", "test_column_features.py"]
collect_ignore = ([] if find_spec("torch") and find_spec("sklearn") else FITTING) + ([] if find_spec("hypothesis") else ["test_occasions.py"])
