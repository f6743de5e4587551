"""The floor: a sync gRPC server whose handler does nothing. What it costs, no Python server of this shape can save."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import grpc

from earshot.v1 import recommendation_service_pb2 as pb
from earshot.v1 import recommendation_service_pb2_grpc as services

THREAD_COUNT = 4


class EmptyServer(services.RecommendationServiceServicer):
    """Decodes the request and answers with an empty page."""

    def RecommendCreators(self, request: pb.RecommendCreatorsRequest, context: grpc.ServicerContext) -> pb.RecommendCreatorsResponse:  # noqa: N802, ARG002 - gRPC's names
        """Nothing."""
        return pb.RecommendCreatorsResponse()


def main(_bundle: str, port: str, _ranker: str) -> None:
    """Serve until killed. Takes the arguments of the other servers."""
    server = grpc.server(ThreadPoolExecutor(THREAD_COUNT))
    services.add_RecommendationServiceServicer_to_server(EmptyServer(), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main(*sys.argv[1:])
