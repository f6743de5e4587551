"""Every setting of `earshot serve`, with its default, its limits and how it fits the others. Where values come from: server/settings_sources.py."""

from __future__ import annotations

import ipaddress
import math
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from domain.errors import ConfigurationError
from server.cores import usable_core_count
from server.rpc.deadline_rules import DeadlineRules

PORT_LIMITS = (0, 65535)
_METADATA_KEY = re.compile(r"[a-z0-9_.-]+")


def _rules(help_text: str, limits: tuple[float, float] | None = None, choices: tuple[str, ...] = ()) -> Mapping[str, Any]:
    return {"help": help_text, "limits": limits, "choices": choices}


@dataclass(frozen=True, slots=True)
class Settings:
    """What `earshot serve` was told. Frozen; checked as a whole by `checked`. Ports may be 0: the system picks a free one."""

    bundle: Path | None = field(default=None, metadata=_rules("the bundle to serve"))
    bundles: Path | None = field(default=None, metadata=_rules("a directory of bundles; channels/default.json in it says which one to serve"))
    host: str = field(default="127.0.0.1", metadata=_rules("the address of the data plane"))
    port: int = field(default=50051, metadata=_rules("the port of the data plane", PORT_LIMITS))
    control_host: str = field(default="127.0.0.1", metadata=_rules("the address of the control plane"))
    control_port: int = field(default=50052, metadata=_rules("the port of the control plane", PORT_LIMITS))
    metrics_host: str = field(default="127.0.0.1", metadata=_rules("the address of /metrics"))
    metrics_port: int = field(default=9464, metadata=_rules("the port of /metrics", PORT_LIMITS))
    workers: int = field(default=0, metadata=_rules("worker processes; 0: one per usable core, by affinity and quota", (0, 256)))
    pin_workers: bool = field(default=True, metadata=_rules("keep each worker on a core of its own, where there are as many workers as cores"))
    threads: int = field(default=4, metadata=_rules("request threads of each worker", (1, 256)))
    provider: str = field(default="cpu", metadata=_rules("where the ranker runs", choices=("cpu", "cuda", "auto")))
    ranker_form: str = field(
        default="auto", metadata=_rules("auto: what the build chose; whole: rankers as they were exported", choices=("auto", "whole"))
    )
    default_deadline_ms: int = field(default=200, metadata=_rules("the time limit of calls that bring none", (1, 3_600_000)))
    max_deadline_ms: int = field(default=60_000, metadata=_rules("the longest time limit that a call gets", (1, 3_600_000)))
    reply_reserve_ms: float = field(
        default=1.75, metadata=_rules("kept back for the reply, and once more for each 30 ms of a time limit, up to ten times in all", (0, 1000))
    )
    max_pending_requests: int = field(
        default=64, metadata=_rules("requests that wait for a thread of one worker before it refuses more", (1, 10_000))
    )
    admission: str = field(
        default="adaptive",
        metadata=_rules(
            "adaptive: smaller answers under load, then refusals; bounded: refusals when max_pending_requests wait; off: neither, to compare with",
            choices=("adaptive", "bounded", "off"),
        ),
    )
    max_queue_ms: float = field(
        default=50.0,
        metadata=_rules("work that may wait for a worker, in time, each call at its smallest; five times as much in a burst", (0.1, 10_000)),
    )
    brown_out_floor: float = field(
        default=0.0, metadata=_rules("load alone makes no answer cheaper than this share of a full one; beyond it, calls are refused", (0, 1))
    )
    quotas: dict[str, float] = field(
        default_factory=dict, metadata=_rules("calls per second and worker by caller, as team-a=500,default=100; default is for all others")
    )
    quota_caller_key: str = field(default="earshot-caller", metadata=_rules("the metadata key under which callers send their name"))
    quota_burst_s: float = field(default=1.0, metadata=_rules("seconds' worth of its quota that a caller may use at once", (0, 3600)))
    quota_dry_run: bool = field(default=False, metadata=_rules("count the calls above the quotas and refuse none"))
    drain_wait_ms: int = field(
        default=200, metadata=_rules("after a stop was asked: how long to report NOT_SERVING and still take calls", (0, 600_000))
    )
    drain_grace_ms: int = field(default=5000, metadata=_rules("after that: how long running calls may take to finish", (0, 600_000)))
    worker_start_timeout_ms: int = field(
        default=120_000, metadata=_rules("how long a worker may take until it serves, before another takes its place", (100, 3_600_000))
    )
    worker_hang_timeout_ms: int = field(
        default=30_000, metadata=_rules("how long a worker may show no sign of life, before another takes its place", (100, 3_600_000))
    )
    access_logs_per_s: int = field(
        default=20, metadata=_rules("access lines per second and worker; the rest is counted, not written", (0, 1_000_000))
    )
    log_level: str = field(default="info", metadata=_rules("what is logged", choices=("debug", "info", "warning", "error")))
    tls_cert: Path | None = field(default=None, metadata=_rules("PEM file with the certificate chain of the data plane"))
    tls_key: Path | None = field(default=None, metadata=_rules("PEM file with its private key"))
    insecure: bool = field(default=False, metadata=_rules("allow plaintext on addresses other than loopback"))
    reflection: bool = field(default=True, metadata=_rules("serve gRPC reflection on the data plane"))
    ready_file: Path | None = field(default=None, metadata=_rules("a file that gets the ports as JSON once all workers serve"))
    drill_file: Path | None = field(
        default=None, metadata=_rules("for drills only: a TOML file that, while it is there, slows the rankers down (slow_ranker = 10)")
    )

    def resolved(self) -> Settings:
        """The same with the number of workers decided. Once, by the control process: a worker that keeps to its core would count that one alone."""
        return replace(self, workers=self.workers or usable_core_count())

    def to_json(self) -> dict[str, Any]:
        """As JSON values, for a child process."""
        return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Settings:
        """What `to_json` wrote."""
        paths = {f.name for f in fields(cls) if "Path" in str(f.type)}
        typed: dict[str, Any] = {name: Path(value) if name in paths and value is not None else value for name, value in values.items()}
        return cls(**typed)


def checked(settings: Settings) -> Settings:
    """The same settings. Raises ConfigurationError naming the setting, or both settings, with their values."""
    for item in fields(settings):
        _check_one(item.name, getattr(settings, item.name), item.metadata)
    _check_bundle(settings)
    _check_times(settings)
    _check_quotas(settings)
    _check_exposure(settings)
    _check_ready_file(settings.ready_file)
    return settings


def _check_one(name: str, value: Any, rules: Mapping[str, Any]) -> None:
    limits, choices = rules["limits"], rules["choices"]
    if limits is not None and not limits[0] <= value <= limits[1]:
        raise ConfigurationError(f"{name} is {value}; it must be between {limits[0]:g} and {limits[1]:g}")
    if choices and value not in choices:
        raise ConfigurationError(f'{name} is "{value}"; it must be one of {", ".join(choices)}')


def _check_bundle(settings: Settings) -> None:
    if (settings.bundle is None) == (settings.bundles is None):
        given = "neither is given" if settings.bundle is None else f'bundle is "{settings.bundle}" and bundles is "{settings.bundles}"'
        raise ConfigurationError(f"give --bundle (one bundle) or --bundles (a directory of them), by flag, variable or file; {given}")


def _check_times(settings: Settings) -> None:
    if settings.default_deadline_ms > settings.max_deadline_ms:
        raise ConfigurationError(
            f"default_deadline_ms is {settings.default_deadline_ms}, above max_deadline_ms, which is {settings.max_deadline_ms}; "
            "lower one or raise the other"
        )
    if DeadlineRules(settings.default_deadline_ms / 1e3, math.inf, settings.reply_reserve_ms / 1e3).budget_s(math.inf) <= 0.0:
        raise ConfigurationError(
            f"reply_reserve_ms is {settings.reply_reserve_ms:g}, which leaves nothing of default_deadline_ms, which is {settings.default_deadline_ms}"
        )


def _check_quotas(settings: Settings) -> None:
    for caller, rate in settings.quotas.items():
        if not 0 <= rate < math.inf:
            raise ConfigurationError(f'the quota of "{caller}" in quotas is {rate}; it must be finite and not negative')
    key = settings.quota_caller_key
    if _METADATA_KEY.fullmatch(key) is None or key.endswith("-bin") or key.startswith("grpc-"):
        raise ConfigurationError(f'quota_caller_key is "{key}"; it must be a metadata key: a-z, 0-9, "-", "_" and ".", not grpc-... and not ...-bin')


def _check_ready_file(file: Path | None) -> None:
    """A server that finds out only once it serves would have to stop again."""
    if file is not None and (file.is_dir() or not os.access(file.parent, os.W_OK | os.X_OK)):
        raise ConfigurationError(f'ready_file is "{file}", which cannot be written; name a file in a folder that exists')


def _check_exposure(settings: Settings) -> None:
    if (settings.tls_cert is None) != (settings.tls_key is None):
        given, missing = ("tls_cert", "tls_key") if settings.tls_key is None else ("tls_key", "tls_cert")
        raise ConfigurationError(f'{given} is "{getattr(settings, given)}" and {missing} is not given; give both or none')
    for name in ("tls_cert", "tls_key"):
        path = getattr(settings, name)
        if path is not None and not os.access(path, os.R_OK):
            raise ConfigurationError(f'{name} is "{path}", which cannot be read')
    secured = {"host"} if settings.tls_cert else set()
    for name in ("host", "control_host", "metrics_host"):
        address = getattr(settings, name)
        if not is_loopback(address) and name not in secured and not settings.insecure:
            raise ConfigurationError(f'{name} is "{address}", which is not loopback, and insecure is false; {_remedy(name)}')


def _remedy(name: str) -> str:
    return "set tls_cert and tls_key, or insecure for plaintext" if name == "host" else "set insecure for plaintext"


def is_loopback(host: str) -> bool:
    """Whether an address stays on this machine. Names other than localhost count as outside."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
