"""What every Progress takes: tasks one after the other, more or less work than announced, and nobody looking."""

import pytest

from cli.progress import ConsoleProgress
from domain.progress import SilentProgress


@pytest.mark.parametrize("make", [SilentProgress, ConsoleProgress, lambda: ConsoleProgress(quiet=True)], ids=["silent", "console", "quiet"])
def test_any_sequence_of_tasks_and_steps_is_taken(make, capsys):
    progress = make()
    progress.start("first", 10)
    progress.advance(4)
    progress.start("second", 0)
    progress.advance(0)
    progress.start("third", 2)
    progress.advance(5)
    assert capsys.readouterr().out == ""


def test_without_a_terminal_each_task_is_a_plain_line_at_its_start_and_at_its_end(capsys):
    progress = ConsoleProgress()
    progress.start("writing creators", 2000)
    progress.advance(1000)
    progress.advance(1000)
    assert capsys.readouterr().err.splitlines() == ["writing creators: 0 of 2,000", "writing creators: 2,000 of 2,000"]
