"""What one sender calls and when, drawn and encoded before the first call; and what the answers say, read after the last one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from earshot.v1 import recommendation_service_pb2 as rpc
from loadtest.answer import degradations_of
from loadtest.open_loop.arrivals import stepped_arrivals_s
from loadtest.open_loop.trial import Trial
from loadtest.request_drawer import RequestDrawer
from loadtest.world import DEMO, World, world_of

PAGE_SIZE = 20  # of plain calls
PRIORITIES = {"": rpc.PRIORITY_UNSPECIFIED, "interactive": rpc.PRIORITY_INTERACTIVE, "batch": rpc.PRIORITY_BATCH}


@dataclass(frozen=True, slots=True)
class Planned:
    """One call. moment_s: from the start of the trial. message: encoded, or as it is for a client that encodes by itself. user_id: of plain calls."""

    moment_s: float
    message: Any
    user_id: str = ""


def plan_of(trial: Trial, number: int) -> list[Planned]:
    """Every call of sender `number`, ascending."""
    world = world_of(Path(trial.users_file)) if trial.users_file else DEMO
    draw = _plain(world, trial, number) if trial.plain else _mixed(world, trial, number)
    rate_per_s, duration_s = trial.rate_per_s / trial.process_count, trial.warm_up_s + trial.duration_s
    plan = []
    for moment_s in stepped_arrivals_s(rate_per_s, trial.steps, duration_s, f"{trial.seed}/{number}"):
        request = draw()
        plan.append(Planned(moment_s, request if trial.cooperative else request.SerializeToString(), request.user.user_id if trial.plain else ""))
    return plan


def read(planned: Planned, answer: Any, keeps_slate: bool) -> tuple[str, str]:
    """(degradations, slate) of an answer, as in `Samples`."""
    message = rpc.RecommendCreatorsResponse.FromString(answer) if isinstance(answer, bytes) else answer
    slate = " ".join([planned.user_id, *(one.creator_id for one in message.recommendations)]) if keeps_slate else ""
    return ",".join(degradations_of(message)), slate


def _mixed(world: World, trial: Trial, number: int) -> Callable[[], rpc.RecommendCreatorsRequest]:
    drawer = RequestDrawer(world, trial.seed, number)

    def draw() -> rpc.RecommendCreatorsRequest:
        request = drawer.draw().request
        request.priority = PRIORITIES[trial.priority]
        return request

    return draw


def _plain(world: World, trial: Trial, number: int) -> Callable[[], rpc.RecommendCreatorsRequest]:
    users = Random(f"{trial.seed}/{number}/users")  # noqa: S311 - load, not secrets
    priority = PRIORITIES[trial.priority]

    def draw() -> rpc.RecommendCreatorsRequest:
        return rpc.RecommendCreatorsRequest(user=rpc.User(user_id=users.choice(world.user_ids)), page_size=PAGE_SIZE, priority=priority)

    return draw
