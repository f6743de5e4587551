"""Settings: where they come from, which source wins, what is refused and how the refusal reads."""

from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ConfigurationError
from server.settings import Settings, checked, is_loopback
from server.settings_sources import read_settings

BUNDLE = {"bundle": "b"}


def test_flags_win_over_the_environment_which_wins_over_the_file_which_wins_over_the_default(tmp_path):
    config = tmp_path / "earshot.toml"
    config.write_text("port = 1\nworkers = 2\nthreads = 3\n")
    settings = read_settings({**BUNDLE, "config": str(config), "port": "4"}, {"EARSHOT_PORT": "5", "EARSHOT_WORKERS": "6", "PATH": "x"})
    assert (settings.port, settings.workers, settings.threads, settings.control_port) == (4, 6, 3, 50052)


def test_every_setting_can_come_from_each_source(tmp_path):
    given_values = {
        "host": "::1",
        "tls_cert": str(tmp_path),
        "tls_key": str(tmp_path),
        "bundle": "b",
        "ready_file": "r",
        "drill_file": "d",
        "provider": "auto",
        "log_level": "debug",
        "ranker_form": "whole",
    }
    for item in fields(Settings):
        if item.name in {"bundle", "bundles", "tls_cert", "tls_key"}:
            continue
        text = given_values.get(
            item.name, "true" if item.type == "bool" else "0.5" if item.type == "float" else "127.0.0.2" if "host" in item.name else "250"
        )
        (tmp_path / "c.toml").write_text(f"{item.name} = {text if item.type in {'int', 'float', 'bool'} else repr(text)}\n")
        by_flag = read_settings({**BUNDLE, item.name: text}, {})
        by_environment = read_settings(BUNDLE, {f"EARSHOT_{item.name.upper()}": text})
        by_file = read_settings(BUNDLE, {"EARSHOT_CONFIG": str(tmp_path / "c.toml")})
        assert by_flag == by_environment == by_file, item.name
        assert item.type == "bool" or getattr(by_flag, item.name) != item.default, item.name


@pytest.mark.parametrize(
    ("flags", "environment", "says"),
    [
        ({}, {}, ["bundle", "bundles", "neither"]),
        ({"bundle": "a", "bundles": "b"}, {}, ['"a"', '"b"']),
        (BUNDLE, {"EARSHOT_PROT": "1"}, ["EARSHOT_PROT", "nearest known one is port"]),
        (BUNDLE, {"EARSHOT_THREAD": "1"}, ["nearest known one is threads"]),
        ({**BUNDLE, "port": "http"}, {}, ["--port", '"http"', "whole number"]),
        ({**BUNDLE, "port": "65536"}, {}, ["port is 65536", "65535"]),
        ({**BUNDLE, "port": "-1"}, {}, ["port is -1"]),
        (BUNDLE, {"EARSHOT_INSECURE": "maybe"}, ["EARSHOT_INSECURE", "true or false"]),
        ({**BUNDLE, "provider": "tpu"}, {}, ["provider", "tpu", "cuda"]),
        ({**BUNDLE, "default_deadline_ms": "0"}, {}, ["default_deadline_ms is 0"]),
        ({**BUNDLE, "default_deadline_ms": "500", "max_deadline_ms": "400"}, {}, ["default_deadline_ms is 500", "max_deadline_ms, which is 400"]),
        ({**BUNDLE, "default_deadline_ms": "5", "reply_reserve_ms": "7.5"}, {}, ["reply_reserve_ms is 7.5", "default_deadline_ms, which is 5"]),
        ({**BUNDLE, "reply_reserve_ms": "nan"}, {}, ["reply_reserve_ms"]),
        ({**BUNDLE, "host": "0.0.0.0"}, {}, ['host is "0.0.0.0"', "insecure is false", "tls_cert"]),
        ({**BUNDLE, "control_host": "10.1.2.3"}, {}, ['control_host is "10.1.2.3"']),
        ({**BUNDLE, "metrics_host": "example.org"}, {}, ['metrics_host is "example.org"']),
        ({**BUNDLE, "tls_cert": "/x"}, {}, ["tls_cert", "tls_key"]),
        ({**BUNDLE, "tls_cert": "/x", "tls_key": "/y"}, {}, ['tls_cert is "/x"', "cannot be read"]),
        ({**BUNDLE, "config": "/nowhere.toml"}, {}, ["/nowhere.toml", "cannot be read"]),
    ],
)
def test_what_cannot_be_is_refused_and_named(flags, environment, says):
    with pytest.raises(ConfigurationError) as refusal:
        read_settings(flags, environment)
    assert all(part in str(refusal.value) for part in says), str(refusal.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("prot = 1", ["prot", "nearest known one is port"]),
        ("port = 1.5", ['"port"', "whole number"]),
        ("port = true", ['"port"', "whole number"]),
        ("host = 5", ['"host"', "text"]),
        ("port =", ["no TOML"]),
        ("[server]\nport = 1", ["server"]),
    ],
)
def test_a_bad_file_is_refused_and_named(tmp_path, text, says):
    config = tmp_path / "c.toml"
    config.write_text(text)
    with pytest.raises(ConfigurationError) as refusal:
        read_settings({**BUNDLE, "config": str(config)}, {})
    assert all(part in str(refusal.value) for part in [*says, str(config)]), str(refusal.value)


def test_outside_addresses_are_allowed_with_insecure_and_the_data_plane_with_tls(tmp_path):
    pem = tmp_path / "pem"
    pem.write_text("x")
    assert read_settings({**BUNDLE, "host": "0.0.0.0", "insecure": True}, {}).insecure
    assert read_settings({**BUNDLE, "host": "0.0.0.0", "tls_cert": str(pem), "tls_key": str(pem)}, {}).host == "0.0.0.0"
    with pytest.raises(ConfigurationError, match="metrics_host"):
        read_settings({**BUNDLE, "metrics_host": "0.0.0.0", "tls_cert": str(pem), "tls_key": str(pem)}, {})


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("localhost.evil.org", False),
    ],
)
def test_loopback_is_what_stays_on_this_machine(host, loopback):
    assert is_loopback(host) is loopback


@given(st.integers(0, 65535), st.integers(1, 256), st.booleans(), st.none() | st.just(Path("/some/file")), st.floats(0, 100))
def test_settings_survive_the_way_to_a_child_process(port, threads, insecure, ready_file, reserve):
    settings = replace(Settings(bundle=Path("b")), port=port, threads=threads, insecure=insecure, ready_file=ready_file, reply_reserve_ms=reserve)
    assert Settings.from_json(settings.to_json()) == settings


def test_the_defaults_are_sound():
    assert checked(Settings(bundle=Path("b"))).resolved().workers >= 1
