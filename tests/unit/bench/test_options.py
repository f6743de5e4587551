import pytest

from bench.options import CONTESTANTS, parse


def test_the_full_run_asks_what_the_published_figures_need() -> None:
    options = parse([])
    assert options.contestants == CONTESTANTS
    assert options.levels == (1, 4, 16)
    assert options.request_count >= 10_000
    for world in options.worlds:
        assert world.creator_count == 200_000
        assert min(world.user_count, options.block_size) >= 1_000


def test_quick_is_smaller_and_what_is_said_wins() -> None:
    quick = parse(["--quick", "--requests", "900", "--rounds", "4"])
    assert quick.worlds[0].creator_count < parse([]).worlds[0].creator_count
    assert (quick.request_count, quick.round_count, quick.block_size) == (900, 4, 225)


@pytest.mark.parametrize("wrong", [["--contestants", "raw,fast"], ["--sets", "none"], ["--rounds", "0"], ["--levels", "1,x"]])
def test_nonsense_is_a_usage_error(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(wrong)
    assert "error" in capsys.readouterr().err


def test_worlds_with_other_parameters_never_share_a_directory() -> None:
    told = (["--creators", "5"], ["--users", "5"], ["--seed", "5"], [])
    keys = [world.key for arguments in told for world in parse(arguments).worlds]
    assert len(set(keys)) == len(keys) == 8
