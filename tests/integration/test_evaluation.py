"""An evaluation through a real build and engine: every figure is what a slow count over the world's own scores gives."""

from __future__ import annotations

import json
import re
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli.main import main
from domain.errors import ArtifactError
from domain.progress import SILENT
from engine.open import StartOptions, prepare
from evaluation.baselines.settings import read_settings
from evaluation.claims import row_of
from evaluation.evaluate import EvaluationOptions, evaluate
from evaluation.portrait import portray
from evaluation.protocol import evaluated_users
from evaluation.result import EXHAUSTIVE, RETRIEVAL, SLATE, TAGS, read_evaluation
from evaluation.served import ServedSlates
from evaluation.split import read_split
from tests.unit.evaluation import slow_metrics
from tests.unit.evaluation.small_run import CREATOR_COUNT, make_run


def refuse(stage, failure):
    raise AssertionError(f"{stage} failed") from failure


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def engine(run):
    return prepare(run.bundle).start(StartOptions(), time.monotonic, refuse)


@pytest.fixture(scope="module")
def found(run, engine):
    options = EvaluationOptions(None, (20, 60), run.directory / "expected.parquet", thread_count=2)
    return evaluate(engine, read_split(run.directory), options, SILENT)


def seen_by(run, user):
    return set(run.split.kept.creators[run.split.kept.users == user].tolist())


def best_of(run, values, user, depth, allowed=None):
    """By the world's own numbers, ties by id as the engine breaks them."""
    seen, ids = seen_by(run, user), run.split.kept.creator_ids
    left = [c for c in range(CREATOR_COUNT) if c not in seen and (allowed is None or allowed[c])]
    return sorted(left, key=lambda c: (-values[user, c], ids[c]))[:depth]


def two_stages(run, user, depth, candidates=60, allowed=None):
    retrieved = best_of(run, run.similarities, user, candidates, allowed)
    ids = run.split.kept.creator_ids
    return sorted(retrieved, key=lambda c: (-run.scores[user, c], ids[c]))[:depth]


def mean_by_hand(run, held, rank, metric, depth):
    values = []
    for user in evaluated_users(run.split.kept, held).tolist():
        wanted = set(held.creators[held.users == user].tolist())
        values.append(metric(rank(user), wanted, depth))
    return float(np.mean(values))


@pytest.mark.parametrize(
    ("method", "rank"),
    [
        (RETRIEVAL, lambda run, user: best_of(run, run.similarities, user, 500)),
        (SLATE, lambda run, user: two_stages(run, user, 50)),
        (EXHAUSTIVE, lambda run, user: best_of(run, run.scores, user, 50)),
    ],
)
def test_the_main_table_is_what_a_slow_count_gives(run, found, method, rank):
    held, row = run.split.warm_held_out(), row_of(found.main, method)
    for name, metric, depth in (("NDCG@20", slow_metrics.ndcg, 20), ("Recall@20", slow_metrics.recall, 20), ("Recall@50", slow_metrics.recall, 50)):
        by_hand = mean_by_hand(run, held, lambda user: rank(run, user), metric, depth)
        assert row.intervals[name].mean == pytest.approx(by_hand, abs=2e-3), name  # float32 ties may change places
    assert row.intervals["NDCG@20"].low < row.intervals["NDCG@20"].mean < row.intervals["NDCG@20"].high


@pytest.mark.parametrize("method", [RETRIEVAL, SLATE, EXHAUSTIVE])
def test_cold_creators_are_judged_among_all_and_among_themselves(run, found, method):
    held = run.split.cold_held_out()
    ranks = {
        RETRIEVAL: lambda user, allowed: best_of(run, run.similarities, user, 50, allowed),
        SLATE: lambda user, allowed: two_stages(run, user, 50, allowed=allowed),
        EXHAUSTIVE: lambda user, allowed: best_of(run, run.scores, user, 50, allowed),
    }
    for rows, allowed in ((found.cold, None), (found.cold_only, run.split.cold)):
        by_hand = mean_by_hand(run, held, lambda user, allowed=allowed: ranks[method](user, allowed), slow_metrics.recall, 50)
        assert row_of(rows, method).intervals["Recall@50"].mean == pytest.approx(by_hand, abs=5e-3)


def test_slates_never_show_what_was_trained_on_and_no_creator_twice(run, engine):
    split = read_split(run.directory)
    users = evaluated_users(split.kept, split.held_out)
    answers = ServedSlates(engine, split).all_of(users, SILENT)
    for rankings in (answers.retrieved, answers.slates, answers.exhaustive):
        for user, ranking in zip(users.tolist(), rankings.tolist(), strict=True):
            shown = [creator for creator in ranking if creator >= 0]
            assert not set(shown) & seen_by(run, user)
            assert len(set(shown)) == len(shown)


def test_served_scores_are_the_trainers_and_those_of_the_exhaustive_ranking(found):
    assert found.facts["pairs scored by the trainer"] > 100
    assert found.facts["largest difference of served and trainer's scores"] <= 1e-5
    assert found.facts["largest difference of a slate's scores and the exhaustive ones"] <= 1e-5


def test_a_trainer_with_other_scores_is_seen(run, engine):
    table = pq.read_table(run.directory / "expected.parquet")
    scores = table["score"].to_numpy().copy()
    scores[7] += 0.01
    other = run.directory / "other.parquet"
    pq.write_table(table.set_column(table.column_names.index("score"), "score", pa.array(scores)), other)
    facts = evaluate(engine, read_split(run.directory), EvaluationOptions(None, (), other), SILENT).facts
    assert facts["largest difference of served and trainer's scores"] == pytest.approx(0.01, rel=0.05)


def test_more_candidates_come_nearer_to_exhaustive_ranking(found):
    (fewest, few), (most, many) = found.sweep
    assert (fewest, most) == (20, 60)
    exhaustive = row_of(found.main, EXHAUSTIVE).intervals["NDCG@20"].mean
    assert abs(many.mean - exhaustive) <= abs(few.mean - exhaustive)
    assert many.mean == row_of(found.main, SLATE).intervals["NDCG@20"].mean


def test_a_bundle_of_another_run_is_refused(engine, tmp_path):
    other = make_run(tmp_path)
    table = pq.read_table(tmp_path / "creators.parquet")
    pq.write_table(table.slice(0, CREATOR_COUNT - 1), tmp_path / "creators.parquet")
    listens = pq.read_table(tmp_path / "listens.parquet").filter(pa.compute.not_equal(pa.compute.field("creator_id"), f"c{CREATOR_COUNT - 1}"))
    held = pq.read_table(tmp_path / "heldout.parquet").filter(pa.compute.not_equal(pa.compute.field("creator_id"), f"c{CREATOR_COUNT - 1}"))
    tags = pq.read_table(tmp_path / "tags.parquet").slice(0, CREATOR_COUNT - 1)
    for name, rows in (("listens", listens), ("heldout", held), ("tags", tags)):
        pq.write_table(rows, tmp_path / f"{name}.parquet")
    assert other.bundle.exists()
    with pytest.raises(ArtifactError, match="build it from this run"):
        ServedSlates(engine, read_split(tmp_path))


def test_the_command_writes_what_it_prints(run, tmp_path, capsys):
    page = tmp_path / "quality.md"
    names = ("facts", "main", "cold", "cold-only", "gains", "sweep")
    page.write_text("".join(f"<!-- measured: {name} -->\nfigures of yesterday\n<!-- end -->\n" for name in names), "utf-8")
    asked = ["--baselines", "none", "--threads", "1", "--json", str(tmp_path / "e.json"), "--html", str(tmp_path / "e.html"), "--markdown", str(page)]
    assert main(["evaluate", "--bundle", str(run.bundle), "--run", str(run.directory), "--candidates", "20,40", *asked]) == 0
    stored = read_evaluation((tmp_path / "e.json").read_text("utf-8"))
    mean = f"{row_of(stored.main, SLATE).intervals['NDCG@20'].mean:.4f}"
    printed, html, filled = capsys.readouterr().out, (tmp_path / "e.html").read_text("utf-8"), page.read_text("utf-8")
    assert mean in printed
    assert mean in html
    assert mean in filled
    assert "yesterday" not in filled
    assert "<script" not in html
    assert "http://" not in html.replace("http://www.w3.org", "")
    assert json.loads(stored.to_json())["facts"]["bundle"] in html


def test_pictures_are_written_and_shown_on_the_page(run, tmp_path):
    pytest.importorskip("matplotlib", reason="needs the extra train")
    page = tmp_path / "quality.md"
    names = ("facts", "main", "cold", "cold-only", "gains", "sweep", "pictures")
    page.write_text("".join(f"<!-- measured: {name} -->\n<!-- end -->\n" for name in names), "utf-8")
    asked = ["--baselines", "none", "--candidates", "20", "--markdown", str(page), "--pictures", str(tmp_path / "quality")]
    assert main(["evaluate", "--bundle", str(run.bundle), "--run", str(run.directory), *asked]) == 0
    shown = re.findall(r"!\[[^]]+\]\((quality/[a-z-]+\.png)\)", page.read_text("utf-8"))
    assert len(shown) == 3
    assert all((tmp_path / file).read_bytes().startswith(b"\x89PNG") for file in shown)


def test_a_promise_that_fails_sets_the_exit_code_where_asked(run, capsys):
    asked = ["evaluate", "--bundle", str(run.bundle), "--run", str(run.directory), "--baselines", "none", "--least-ndcg", "0.99"]
    assert main(asked) == 0
    assert main([*asked, "--check"]) == 1
    assert "FAILS: NDCG@20 of the two-stage slate is at least 0.99" in capsys.readouterr().out


def test_a_listener_is_shown_by_name_with_what_was_held_out_marked(run, engine):
    split = read_split(run.directory)
    code = int(np.bincount(split.held_out.users).argmax())
    portrait = portray(engine, split, split.kept.user_ids[code])
    codes = two_stages(run, code, 20)
    rows = engine.creators.rows_of([split.kept.creator_ids[c] for c in codes])
    assert [one.name for one in portrait.shown] == [n or i for n, i in zip(engine.creators.names_of(rows), engine.creators.ids_of(rows), strict=True)]
    held_out = set(split.held_out.creators[split.held_out.users == code].tolist())
    assert [one.listened for one in portrait.shown] == [c in held_out for c in codes]
    assert any(one.listened for one in portrait.shown)
    assert [one.emerging for one in portrait.shown] == split.cold[codes].tolist()
    assert len(portrait.played) == min(20, len(seen_by(run, code)))


def test_a_listener_whom_nobody_knows_is_refused(run, capsys):
    assert main(["evaluate", "--bundle", str(run.bundle), "--run", str(run.directory), "--baselines", "none", "--listener", "nobody"]) == 78
    assert '"nobody" is no user of the run' in capsys.readouterr().err


def test_without_exhaustive_ranking_the_rest_is_the_same(run, capsys, tmp_path):
    asked = ["evaluate", "--bundle", str(run.bundle), "--run", str(run.directory), "--baselines", "none", "--json"]
    assert main([*asked, str(tmp_path / "all.json")]) == 0
    assert main([*asked, str(tmp_path / "rest.json"), "--without-exhaustive"]) == 0
    everything, rest = (read_evaluation((tmp_path / name).read_text("utf-8")) for name in ("all.json", "rest.json"))
    assert EXHAUSTIVE not in {row.name for row in rest.main}
    for rows, others in ((rest.main, everything.main), (rest.cold_only, everything.cold_only)):
        for name, one in row_of(rows, SLATE).intervals.items():
            assert one.mean == pytest.approx(row_of(others, SLATE).intervals[name].mean, abs=1e-12)
    assert not any(EXHAUSTIVE in name for name in rest.gains)


@pytest.mark.parametrize(("flag", "value"), [("--candidates", "20,many"), ("--candidates", "5"), ("--threads", "0")])
def test_nonsense_is_refused_with_its_value(run, capsys, flag, value):
    assert main(["evaluate", "--bundle", str(run.bundle), "--run", str(run.directory), flag, value]) == 78
    assert value.rpartition(",")[2] in capsys.readouterr().err


def test_with_baselines_the_tables_have_them(run, engine):
    pytest.importorskip("implicit", reason="needs the extra train")
    found = evaluate(engine, read_split(run.directory), EvaluationOptions(read_settings()), SILENT)
    values = {row.name: row.intervals["NDCG@20"].mean for row in found.main}
    assert min(values[name] for name in ("item-kNN", "EASE", "implicit ALS")) > 3 * values["random"]
    assert row_of(found.cold, TAGS).intervals["Recall@50"].mean > 3 * row_of(found.cold, "random").intervals["Recall@50"].mean
    assert any("minus tag profiles" in name for name in found.gains)


def test_the_budget_curve_is_what_cutting_the_served_candidates_costs(run, tmp_path):
    wanted = tmp_path / "curve.json"
    words = ["evaluate", "--bundle", str(run.bundle), "--run", str(run.directory), "--baselines", "none", "--without-exhaustive"]
    assert main([*words, "--budget-curve", str(wanted)]) == 0
    curve = json.loads(wanted.read_text())
    users = evaluated_users(run.split.kept, run.split.warm_held_out()).tolist()
    values = []
    for user in users:
        similar = best_of(run, run.similarities, user, 60)
        gains = np.array([run.scores[user, c] for c in similar])
        gains -= gains.min()
        discounts = 1.0 / np.log2(np.arange(2, 22))
        values.append(gains[:20] @ discounts / (np.sort(gains)[::-1][:20] @ discounts))
    assert (curve["counts"][0], curve["counts"][-1], curve["user_count"]) == (0, 60, len(users))
    assert curve["ndcg"][0] == pytest.approx(np.mean(values), abs=1e-4)
    assert curve["ndcg"][-1] == 1.0
