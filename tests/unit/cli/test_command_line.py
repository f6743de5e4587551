"""What a newcomer meets first: help that names the way, and refusals in one line that say what to do."""

import os
import shutil
import socket
import sys

import pytest

from cli.main import main, make_parser
from cli.program import program
from cli.query import make_request
from demo.files import demo_files

FILES = demo_files()
BUILD = ["build", "--creators", str(FILES.creators), "--users", str(FILES.users), "--ranker", str(FILES.ranker), "--binding", str(FILES.binding)]


def refusal(capsys, *arguments):
    """(exit code, the one line on stderr)."""
    try:
        code = main(list(arguments))
    except SystemExit as stop:
        code = stop.code
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    return code, lines[0]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ([], 64, "COMMAND; see `earshot --help`"),
        (["serv"], 64, "choose from"),
        (["serve", "--prt", "1"], 64, "unknown argument --prt, did you mean --port?; see `earshot serve --help`"),
        (["verify", "bundle", "more"], 64, "unknown argument more; see `earshot verify --help`"),
        (["build"], 64, "--creators, --ranker, --out; see `earshot build --help`"),
        ([*BUILD, "--out", "o", "--recall", "95%"], 64, "'95%'"),
        ([*BUILD, "--out", "o", "--recall", "95"], 78, "above 0 and at most 1"),
        (["query", "--user-id", "u", "--timeout-ms", "0"], 78, "--timeout-ms 0 must be at least 1"),
        (["serve"], 78, "give --bundle (one bundle) or --bundles (a directory of them)"),
        (["serve", "--bundle", "b", "--tls-cert", __file__], 78, "and tls_key is not given"),
        (["serve", "--bundle", "b", "--ready-file", "/no/such/folder/ready"], 78, "a folder that exists"),
        ([*BUILD, "--out", "o", "--ignore-column", "followers"], 78, '"creator.followers" is read by the ranker; drop the flag'),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(capsys, tmp_path, monkeypatch, arguments, code, says):
    monkeypatch.chdir(tmp_path)
    got, line = refusal(capsys, *arguments)
    assert (got, says in line) == (code, True), line
    assert list(tmp_path.iterdir()) == []


def test_who_asks_where_nobody_listens_is_told_how_to_start_a_server(capsys):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, and never listening: nobody else gets the port
        target = f"127.0.0.1:{unused.getsockname()[1]}"
        code, line = refusal(capsys, "query", "--user-id", "u", "--target", target)
    assert code == 1
    assert f"error: {target}: UNAVAILABLE" in line
    assert "does a server listen there? start one with" in line


@pytest.mark.parametrize("command", ["build", "demo", "inspect", "query", "serve", "verify"])
def test_help_fits_a_terminal_and_ends_well(capsys, command):
    with pytest.raises(SystemExit) as stop:
        make_parser().parse_args([command, "--help"])
    shown = capsys.readouterr().out
    assert stop.value.code == 0
    assert shown.startswith(f"usage: earshot {command}")


def test_the_help_of_the_program_explains_its_exit_codes(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert all(f" {code} " in shown for code in (0, 1, 2, 64, 66, 73, 78))


def test_what_is_printed_to_be_pasted_can_be_pasted(tmp_path, monkeypatch):
    script = tmp_path / "bin" / "earshot"
    script.parent.mkdir()
    script.write_text(f"#!{sys.executable}\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join(["/nowhere"]))
    assert program(str(script)) == str(script)  # .venv/bin/earshot, as in the README
    monkeypatch.setenv("PATH", str(script.parent))
    assert shutil.which("earshot") == str(script)
    assert program(str(script)) == "earshot"
    assert program("/usr/lib/python3/pytest/__main__.py") == "earshot"


@pytest.mark.parametrize(
    ("typed", "kind", "value"),
    [("hour=8", "integer", 8), ("hour=8.5", "number", 8.5), ("slot=party", "text", "party"), ('slot="8"', "text", "8"), ('slot=""', "text", "")],
)
def test_a_feature_is_what_it_looks_like_and_text_in_quotes_is_text(typed, kind, value):
    args = make_parser().parse_args(["query", "--user-id", "u", "--context", typed])
    sent = make_request(args).context_features[typed.partition("=")[0]]
    assert (sent.WhichOneof("kind"), getattr(sent, kind)) == (kind, value)


def test_a_demo_in_a_folder_that_is_no_bundle_promises_nothing(capsys, tmp_path):
    code, line = refusal(capsys, "demo", "--out", str(tmp_path))
    assert (code, "MANIFEST_INVALID" in line) == (2, True)
