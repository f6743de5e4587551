"""BundleService: what this server serves, and how its processes are."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from typing import Any, TypeVar

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from earshot.v1 import bundle_service_pb2 as pb
from earshot.v1.bundle_service_pb2_grpc import BundleServiceServicer
from server.bundle_choice import KnownBundle
from server.group_state import GroupState
from server.rpc.errors import internal_status
from server.telemetry.logs import LOGGER

Answer = TypeVar("Answer")


class BundleMethods(BundleServiceServicer):
    """Runs on the threads of the control plane."""

    def __init__(self, state: GroupState, desired: KnownBundle, known: Callable[[], list[KnownBundle]]) -> None:
        self._state = state
        self._desired = desired
        self._known = known

    def ListBundles(self, request: pb.ListBundlesRequest, context: Any) -> pb.ListBundlesResponse:  # noqa: N802, ARG002  # given by the API
        """All bundles that could be served."""
        return _answered(context, lambda: pb.ListBundlesResponse(bundles=[_bundle(known) for known in self._known()]))

    def GetServingStatus(self, request: pb.GetServingStatusRequest, context: Any) -> pb.GetServingStatusResponse:  # noqa: N802, ARG002  # given by the API
        """The process group now."""
        return _answered(context, self._status)

    def _status(self) -> pb.GetServingStatusResponse:
        group = self._state.snapshot()
        return pb.GetServingStatusResponse(
            desired=_bundle(self._desired),
            active=None if group.active is None else pb.Bundle(**group.active),
            workers=[pb.Worker(pid=w.pid, serving=w.serving, start_time=_timestamp(w.started_at_s)) for w in group.workers],
            desired_worker_count=self._state.worker_count,
            worker_restart_count=group.worker_restarts,
            generation_restart_count=group.generation_restarts,
            start_time=_timestamp(self._state.started_at_s),
            generation_pid=group.generation_pid,
        )


def _answered(context: grpc.ServicerContext, answer: Callable[[], Answer]) -> Answer:
    """The outermost wrapper of the control plane: no exception text leaves."""
    try:
        return answer()
    except BaseException as problem:  # noqa: BLE001  # gRPC never answers a call whose handler ends in SystemExit or the like
        error_id = secrets.token_hex(8)
        LOGGER.log(logging.ERROR, "internal error", exc_info=problem, extra={"fields": {"error_id": error_id}})
    return context.abort_with_status(internal_status(error_id))


def _bundle(known: KnownBundle) -> pb.Bundle:
    manifest = known.manifest
    return pb.Bundle(
        version=manifest.version,
        digest=known.digest,
        embedding_space=manifest.embedding_space,
        creator_count=manifest.creator_count,
        user_count=manifest.user_count,
        embedding_dimension_count=manifest.dimension_count,
        measured_recall=manifest.recall,
        candidate_count=manifest.candidate_count,
    )


def _timestamp(seconds: float) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromNanoseconds(round(seconds * 1e9))
    return timestamp
