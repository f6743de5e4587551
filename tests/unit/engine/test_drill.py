"""Drills: what the file asks for is done, loudly, and nothing else is."""

import pytest

from engine.drill import Drill, DrilledRanker


class CountingRanker:
    """Counts its calls."""

    schema = "schema"

    def __init__(self):
        self.calls = 0

    def rank(self, *_):
        self.calls += 1
        return self.calls


def drill(tmp_path):
    said = []
    return Drill(tmp_path / "drill.toml", said.append), said


def test_a_drill_begins_changes_and_ends_with_its_file_and_each_is_said_once(tmp_path):
    one, said = drill(tmp_path)
    ranker = CountingRanker()
    drilled = DrilledRanker(ranker, one)
    calls = []
    for text in (None, "slow_ranker = 10\n", "slow_ranker = 10\n", "slow_ranker = 2\n", None, None):
        if text is None:
            (tmp_path / "drill.toml").unlink(missing_ok=True)
        else:
            (tmp_path / "drill.toml").write_text(text)
        one.read()
        before = ranker.calls
        drilled.rank(None, None, 1, {}, None)
        calls.append(ranker.calls - before)
    assert calls == [1, 10, 10, 2, 1, 1]
    assert len(said) == 3
    assert "10 times" in said[0]
    assert "over" in said[2]


@pytest.mark.parametrize(
    "text", ["slow_ranker = 0", "slow_ranker = 1.5", "slow_ranker = true", "slow_ranker = 9999", "slow_rankr = 2", "slow_ranker =", "\xff"]
)
def test_a_file_that_cannot_be_understood_ends_the_drill_and_says_why(tmp_path, text):
    one, said = drill(tmp_path)
    (tmp_path / "drill.toml").write_text("slow_ranker = 3")
    one.read()
    (tmp_path / "drill.toml").write_bytes(text.encode("latin-1"))
    one.read()
    assert one.slow_ranker == 1
    assert "drill.toml cannot be used" in said[-1]


def test_a_drilled_ranker_takes_what_the_ranker_takes(tmp_path):
    assert DrilledRanker(CountingRanker(), drill(tmp_path)[0]).schema == "schema"
