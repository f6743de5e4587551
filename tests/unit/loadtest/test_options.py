"""The options: what they make of a run, and what is refused with which words."""

from pathlib import Path

import pytest

from loadtest.limits import LIMITS
from loadtest.options import TARGET, Plan, make_parser, plan_of, words_of
from loadtest.shapes import SHAPES
from loadtest.world import DEMO


def _plan(*words: str) -> Plan:
    options = make_parser().parse_args(words)
    return plan_of(options, options.shape, options.target)


def test_without_options_the_demo_is_loaded_in_plaintext_on_this_machine() -> None:
    plan = _plan("smoke")
    assert (plan.target, plan.shape, plan.limits, plan.world) == (TARGET, SHAPES["smoke"], LIMITS["smoke"], DEMO)
    assert plan.credentials() is None


def test_options_change_the_run(tmp_path: Path) -> None:
    users = tmp_path / "users.txt"
    users.write_text("ada\n")
    plan = _plan("spike", "--duration-s", "9", "--times", "2", "--limit", "p99_ms=7.5", "--limit", "failed_share=0", "--users-file", str(users))
    assert plan.shape.duration_s == pytest.approx(9)
    assert plan.shape.peak == 2 * SHAPES["spike"].peak
    assert (plan.limits.p99_ms, plan.limits.failed_share, plan.limits.p95_ms) == (7.5, 0, LIMITS["spike"].p95_ms)
    assert plan.world.user_ids == ("ada",)


def test_what_is_handed_to_locust_says_the_same_again() -> None:
    words = ["--seed=5", "--times=0.5", "--insecure", "--limit=p95_ms=1", "--limit=p99_ms=2", "--connections=3"]
    options = make_parser().parse_args(["smoke", "--target", "elsewhere:1", "--report", "r.html", *words])
    assert sorted(words_of(options)) == sorted(words)
    assert words_of(make_parser().parse_args(["soak"])) == []


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--target", "example.com:50051"), "example.com:50051 is not this machine; give --ca-file for TLS, or --insecure for plaintext"),
        (("--limit", "p99=3"), '--limit "p99=3" is no NAME=X; the names are achieved_share, degraded_share, failed_share, p95_ms, p99_ms'),
        (("--limit", "p99_ms=fast"), "could not convert"),
        (("--connections", "0"), "--connections must be at least 1"),
        (("--duration-s", "-1"), "--duration-s"),
        (("--times", "0"), "--times"),
    ],
)
def test_nonsense_is_refused_with_what_to_write_instead(words: tuple[str, ...], text: str) -> None:
    with pytest.raises(ValueError, match=text.replace("(", r"\(")):
        _plan("smoke", *words)


def test_a_missing_file_is_an_os_error_that_names_it() -> None:
    with pytest.raises(OSError, match=r"nowhere\.txt"):
        _plan("smoke", "--users-file", "nowhere.txt")
    with pytest.raises(OSError, match=r"nowhere\.pem"):
        _plan("smoke", "--ca-file", "nowhere.pem").credentials()


def test_another_machine_is_fine_with_tls_or_when_plaintext_is_said(tmp_path: Path) -> None:
    assert _plan("smoke", "--target", "example.com:50051", "--insecure").ca_file is None
    assert _plan("smoke", "--target", "example.com:50051", "--ca-file", str(tmp_path)).ca_file == tmp_path


def test_an_unknown_shape_ends_with_the_code_for_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        make_parser().parse_args(["tsunami"])
    assert ended.value.code == 64
    assert "average" in capsys.readouterr().err
