"""`python -m bench.abuse`: every attack for some seconds each, a table, and exit code 1 when a good caller had to suffer."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.abuse.attacks import ATTACKS
from bench.abuse.trial import Trial, run_trial
from bench.servers import ServedConfig, environment, served

SHARE_IN_TIME = 0.99  # of a good caller's calls, within one second
RESETS_PER_S = 25_000  # that an attacker must reach for its figures to mean anything
RESETS = "reset "
SILENT = "silent sockets"
HANDSHAKE_S = 7.0  # the server gives a connection 5 seconds to introduce itself (server/rpc/options.py), and looks now and then
WIDTH = 140  # of the table where no terminal says how wide it is
RSS_GROWTH_MB = 256  # of the whole server in one attack: malloc's huge pages come and go by 64 MB; +131 MB was seen, and -127 MB in the next attack
RSS_KEPT_MB = 64  # of the whole server over all attacks: what is not given back is a leak


def main(arguments: list[str] | None = None) -> int:
    """Run the attacks. Returns the exit code."""
    told = _parser().parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    with tempfile.TemporaryDirectory(prefix="earshot-abuse-") as scratch:
        bundle = told.bundle or _demo_bundle(Path(scratch) / "bundle")
        with served(bundle, ServedConfig(told.workers, told.threads), Path(scratch)) as target:
            run_trial(target, None, 1.0)  # warm
            trials = [run_trial(target, None, told.seconds)]
            for attack in told.attacks:
                trials.append(run_trial(target, attack, told.seconds, told.attackers))
                console.print(f"{attack}: done", style="dim")
            trials.append(run_trial(target, None, told.seconds))
    console.print(_table(trials))
    missed = [problem for trial in trials for problem in problems(trial)] + leaks(trials)
    for problem in missed:
        console.print(problem, style="red")
    return 1 if missed else 0


def problems(trial: Trial) -> list[str]:
    """Which targets a trial missed, in words."""
    share, rate, grown = trial.calls.share_in_time, trial.deeds.per_second, trial.rss_growth_mb
    found = []
    if share < SHARE_IN_TIME:
        found.append(f"{share:.2%} of the calls within one second, wanted {SHARE_IN_TIME:.0%}")
    if trial.attack.startswith(RESETS) and rate < RESETS_PER_S:
        found.append(f"{rate:,.0f} resets per second are too few to conclude from, wanted {RESETS_PER_S:,}")
    if grown > RSS_GROWTH_MB:
        found.append(f"memory grew by {grown:.0f} MB, wanted at most {RSS_GROWTH_MB}")
    if trial.attack == SILENT and trial.deeds.seconds > HANDSHAKE_S and trial.deeds.count < trial.deeds.connections:
        found.append(f"{trial.deeds.connections - trial.deeds.count} of {trial.deeds.connections} silent sockets are still open")
    if not trial.survived:
        found.append("a process of the server was lost")
    return [f"{trial.attack}: {problem}" for problem in found]


def leaks(trials: list[Trial]) -> list[str]:
    """Whether memory is kept that attacks took, in words."""
    kept = sum(trial.rss_growth_mb for trial in trials)
    return [f"memory grew by {kept:.0f} MB over all attacks, wanted at most {RSS_KEPT_MB}"] if kept > RSS_KEPT_MB else []


def _table(trials: list[Trial]) -> Table:
    table = Table(title="One good caller while others attack", title_justify="left")
    for heading in ("attack", "deeds/s", "connections", "calls", "refused", "within 1 s", "p50 ms", "p99 ms", "max ms", "memory MB", "server cores"):
        table.add_column(heading, justify="left" if heading == "attack" else "right")
    for trial in trials:
        calls, deeds = trial.calls, trial.deeds
        row = [trial.attack, f"{deeds.per_second:,.0f}", f"{deeds.connections:,}", str(calls.count), str(calls.refused), f"{calls.share_in_time:.2%}"]
        row += [f"{calls.percentile_ms(percent):.1f}" for percent in (50, 99, 100)]
        table.add_row(*row, f"{trial.rss_growth_mb:+.1f}", f"{trial.cpu_cores:.2f}")
    return table


def _demo_bundle(out: Path) -> Path:
    subprocess.run([sys.executable, "-m", "cli", "demo", "--build-only", "--out", str(out)], env=environment(), check=True, stdout=subprocess.DEVNULL)
    return out


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.abuse", description="Attack a server and see what a good caller notices.")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each attack (10)")
    parser.add_argument("--attackers", type=int, default=1, help="processes that attack at a time (1)")
    parser.add_argument("--workers", type=int, default=1, help="of the server (1: the good caller always shares its worker with the attacker)")
    parser.add_argument("--threads", type=int, default=4, help="request threads of each worker (4)")
    parser.add_argument("--bundle", type=Path, help="what to serve; it must know the listener-0001 of the demo (default: the demo's)")
    parser.add_argument("--attacks", nargs="+", choices=list(ATTACKS), default=list(ATTACKS), metavar="NAME", help=f"of: {'; '.join(ATTACKS)}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
