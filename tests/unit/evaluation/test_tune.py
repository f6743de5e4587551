"""Tuning sees the training part alone, and writes what the evaluation reads."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation import tune
from evaluation.baselines.settings import read_settings
from evaluation.protocol import VALIDATION, is_held_out
from tests.unit.evaluation.small_run import make_split


def test_the_validation_cut_holds_nothing_that_the_test_holds_out():
    split = make_split(np.random.default_rng(1))
    again = tune.validation_split(split)
    assert len(again.kept) + len(again.held_out) == len(split.kept)
    assert len(again.held_out) > 100
    for part in (again.kept, again.held_out):
        assert not any(is_held_out(f"u{u}", f"c{c}") for u, c in zip(part.users.tolist(), part.creators.tolist(), strict=True))
    assert all(VALIDATION.is_held_out(f"u{u}", f"c{c}") for u, c in zip(again.held_out.users.tolist(), again.held_out.creators.tolist(), strict=True))


def test_what_is_written_is_what_is_read(tmp_path):
    first = {name: (next(tune.every(grid)), 0.25) for name, grid in tune.GRIDS.items()}
    file = tmp_path / "tuned.toml"
    file.write_text(tune.as_toml(first), "utf-8")
    settings = read_settings(file)
    assert settings.ease.regularisation == first["ease"][0]["regularisation"]
    assert settings.als.factors == first["als"][0]["factors"]
    assert settings.neighbours.similarity == first["neighbours"][0]["similarity"]
    assert settings.tag_profiles.sublinear is True


def test_the_best_of_a_grid_wins(monkeypatch):
    pytest.importorskip("implicit", reason="needs the extra train")
    monkeypatch.setattr(tune, "GRIDS", {"ease": {"regularisation": (1e9, 20.0), "weights": ("binary",)}})
    settings, value = tune.best("ease", tune.validation_split(make_split(np.random.default_rng(1))))
    assert settings["regularisation"] == 20.0
    assert value > 0.1
