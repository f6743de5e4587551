"""Tests that fit something need the extra train and torch: they run in .venv-train (`make test-train`), the readers' tests everywhere."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore = [] if find_spec("torch") and find_spec("sklearn") else ["test_models.py", "test_objective.py", "test_run.py"]
