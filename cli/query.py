"""`earshot query`: one request, as a table, with its stages."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from google.protobuf.json_format import MessageToJson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.exit_codes import ExitCode
from cli.program import program
from domain.errors import ConfigurationError
from earshot.v1 import recommendation_service_pb2 as rpc
from earshot.v1 import types_pb2 as types


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the flags."""
    parser = subparsers.add_parser("query", help="one request, as a table, with its stages", description="Ask a running server for one slate.")
    parser.add_argument("--target", default="127.0.0.1:50051", metavar="HOST:PORT", help="the server's data plane (default: %(default)s)")
    parser.add_argument("--timeout-ms", type=int, default=1000, metavar="N", help="the deadline of the call (default: %(default)s)")
    who = parser.add_argument_group("who")
    who.add_argument("--user-id", default="", metavar="ID", help="a listed user")
    who.add_argument("--embedding", type=_numbers, metavar="X,Y,...", help="an embedding in the bundle's space; wins over the stored one")
    who.add_argument(
        "--feature",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a `user.` feature, repeatable; a text that looks like a number in quotes: 'slot=\"8\"'",
    )
    who.add_argument("--context", action="append", default=[], metavar="NAME=VALUE", help="a `context.` feature; repeatable")
    what = parser.add_argument_group("what")
    what.add_argument("--page-size", type=int, default=0, metavar="N", help="creators wanted (default: the server's, 20)")
    what.add_argument("--candidates", type=int, default=0, metavar="N", help="candidates of stage 1 (default: the bundle's)")
    what.add_argument("--exact", action="store_true", help="search exactly")
    what.add_argument("--surface", default="", metavar="NAME", help="selects the profile")
    what.add_argument("--market", default="", metavar="M", help="only creators available there")
    what.add_argument("--tier", action="append", default=[], metavar="T", help="only creators of this tier; repeatable")
    what.add_argument("--exclude", action="append", default=[], metavar="ID", help="leave this creator out; repeatable")
    what.add_argument("--include-followed", action="store_true", help="show followed creators too")
    parser.add_argument("--json", action="store_true", help="print the response as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Ask, and print the slate."""
    if args.timeout_ms < 1:
        raise ConfigurationError(f"--timeout-ms {args.timeout_ms} must be at least 1")
    from earshot.client import RecommendationClient, RpcError, explain, reason_of  # noqa: PLC0415 - gRPC takes time to import; `earshot --help` should not

    with RecommendationClient(args.target, connection_count=1) as client:
        try:
            response = client.recommend(make_request(args), timeout_s=args.timeout_ms / 1e3)
        except RpcError as error:
            print(f"error: {args.target}: {explain(error)}{_hint(error, reason_of(error))}", file=sys.stderr)
            return ExitCode.FAILURE
    if args.json:
        print(MessageToJson(response, preserving_proto_field_name=True))
    else:
        _print(response, Console())
    return ExitCode.OK


def _hint(error: Exception, reason: str) -> str:
    """What a beginner wants to know: no server answers there. Earshot's own refusals say themselves what to do."""
    unavailable = getattr(getattr(error, "code", lambda: None)(), "name", "") == "UNAVAILABLE"
    return (
        f"; does a server listen there? start one with {program()} serve, or name its HOST:PORT with --target" if unavailable and not reason else ""
    )


def make_request(args: argparse.Namespace) -> rpc.RecommendCreatorsRequest:
    """The request that the flags describe. Raises ConfigurationError for a feature that is not NAME=VALUE."""
    embeddings = [types.Embedding(values=args.embedding)] if args.embedding else []
    return rpc.RecommendCreatorsRequest(
        user=rpc.User(user_id=args.user_id, embeddings=embeddings, features=_features(args.feature)),
        page_size=args.page_size,
        candidate_count=args.candidates,
        filter=rpc.CandidateFilter(market=args.market, excluded_creator_ids=args.exclude, tiers=args.tier, include_followed=args.include_followed),
        context_features=_features(args.context),
        exact=args.exact,
        surface=args.surface,
        view=rpc.RESPONSE_VIEW_DIAGNOSTIC,
    )


def _features(pairs: Sequence[str]) -> dict[str, types.FeatureValue]:
    named = [pair.partition("=") for pair in pairs]
    for name, equals, _ in named:
        if not name or not equals:
            raise ConfigurationError(f'"{name}" is no feature; write NAME=VALUE, for instance hour=8 or activity=commute')
    return {name: _value(text) for name, _, text in named}


def _value(text: str) -> types.FeatureValue:
    """Integer, number or text, whichever the text looks like; lists are separated by commas; text in double quotes is text."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        return types.FeatureValue(text=text[1:-1])
    parts = text.split(",")
    makers: tuple[Callable[[], types.FeatureValue], ...] = (
        lambda: types.FeatureValue(integer=int(text)),
        lambda: types.FeatureValue(number=float(text)),
        lambda: types.FeatureValue(integers=types.IntegerList(values=[int(part) for part in parts])),
        lambda: types.FeatureValue(numbers=types.NumberList(values=[float(part) for part in parts])),
    )
    for make in makers:
        try:
            return make()
        except ValueError:
            continue
    return types.FeatureValue(texts=types.TextList(values=parts)) if len(parts) > 1 else types.FeatureValue(text=text)


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as problem:
        raise argparse.ArgumentTypeError(f"{problem}; write numbers separated by commas") from None


def _print(response: rpc.RecommendCreatorsResponse, console: Console) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("", "creator", "id", "score", "similarity"):
        table.add_column(title, justify="left" if title in {"creator", "id"} else "right", overflow="fold")
    for place, one in enumerate(response.recommendations, 1):
        score = f"{one.score:.4f}" if one.HasField("score") else "-"
        # Text, not markup: names come from data, and may hold brackets.
        table.add_row(str(place), Text(one.name or one.creator_id), Text(one.creator_id), score, f"{one.similarity:.4f}")
    if response.recommendations:
        console.print(table)
    else:
        console.print("no creator may be shown to this user with these filters")
    for rung in response.degradations:
        stage, reason = types.Stage.Name(rung.stage), types.DegradationReason.Name(rung.reason)
        cut = f"{rung.served_count} of {rung.wanted_count}"
        console.print(
            f"degraded: {stage.removeprefix('STAGE_').lower()}: {reason.removeprefix('DEGRADATION_REASON_').lower()}, {cut}", style="yellow"
        )
    _print_diagnostics(response, console)


def _print_diagnostics(response: rpc.RecommendCreatorsResponse, console: Console) -> None:
    how = response.diagnostics
    stages = [f"{types.Stage.Name(stage.stage).removeprefix('STAGE_').lower()} {stage.duration.ToNanoseconds() / 1e6:.2f}" for stage in how.stages]
    where = how.disposition
    removed = ", ".join(f"{count} {name}" for name, count in sorted(where.removed_counts.items()))
    counts = f"{where.retrieved_count} retrieved ({how.retrieval_method}), {where.served_count} served, {where.reserve_count} in reserve"
    console.print(f"\n{counts}{f', removed: {removed}' if removed else ''}; ranked: {how.scoring_form}", style="dim", highlight=False, soft_wrap=True)
    if how.estimated_loss:
        ranked = f"{how.ranked_count} of {how.disposition.retrieved_count} ranked"
        console.print(f"{ranked}: about {how.estimated_loss:.1%} of NDCG@20 lost", style="dim", highlight=False, soft_wrap=True)
    console.print(f"ms: {', '.join(stages)}; {how.duration.ToNanoseconds() / 1e6:.2f} in all", style="dim", highlight=False, soft_wrap=True)
    console.print(
        f"bundle {response.bundle_version}, profile {response.profile}, worker {how.worker_pid}", style="dim", highlight=False, soft_wrap=True
    )
