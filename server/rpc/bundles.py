"""BundleService: what this server serves, and how its processes are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from earshot.v1 import bundle_service_pb2 as pb
from server.bundle_choice import KnownBundle
from server.group_state import GroupState
from server.rpc.outermost import unary
from server.rpc.reading import decoded, reader

SERVICE = "earshot.v1.BundleService"


class BundleMethods:
    """Runs on the threads of the control plane."""

    def __init__(self, state: GroupState, desired: KnownBundle, known: Callable[[], list[KnownBundle]]) -> None:
        self._state = state
        self._desired = desired
        self._known = known

    def handlers(self) -> dict[str, grpc.RpcMethodHandler[Any, Any]]:
        """The methods of the service."""
        return {
            "ListBundles": grpc.unary_unary_rpc_method_handler(
                unary(self._list), reader(pb.ListBundlesRequest), pb.ListBundlesResponse.SerializeToString
            ),
            "GetServingStatus": grpc.unary_unary_rpc_method_handler(
                unary(self._status), reader(pb.GetServingStatusRequest), pb.GetServingStatusResponse.SerializeToString
            ),
        }

    def _list(self, request: Any, _context: grpc.ServicerContext) -> pb.ListBundlesResponse:
        """All bundles that could be served."""
        decoded(request)
        return pb.ListBundlesResponse(bundles=[_bundle(known) for known in self._known()])

    def _status(self, request: Any, _context: grpc.ServicerContext) -> pb.GetServingStatusResponse:
        """The process group now."""
        decoded(request)
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
