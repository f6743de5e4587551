"""Server reflection, so that grpcurl and buf curl need no proto files. grpcio-reflection knows v1alpha only; v1 has the same messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.reflection import ReflectionServicer

from domain.errors import LimitReached
from server.rpc.outermost import stream
from server.rpc.reading import decoded, reader
from server.rpc.reception import at_desk
from server.rpc.streams import StreamGate

ALPHA = "grpc.reflection.v1alpha.ServerReflection"
V1 = "grpc.reflection.v1.ServerReflection"
MAX_STREAMS = 4  # people with tools; each holds a thread
MAX_QUESTIONS = 1000  # per stream; tools ask once per file


def add_v1_descriptor() -> None:
    """Put grpc.reflection.v1 into the default descriptor pool, so that it describes itself."""
    file = descriptor_pb2.FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(file)
    file.name = "grpc/reflection/v1/reflection.proto"
    file.package = "grpc.reflection.v1"
    for field in (field for message in file.message_type for field in message.field if field.type_name):
        field.type_name = _as_v1(field.type_name)
    for method in file.service[0].method:
        method.input_type, method.output_type = _as_v1(method.input_type), _as_v1(method.output_type)
    descriptor_pool.Default().Add(file)


def _as_v1(name: str) -> str:
    return name.replace(".v1alpha.", ".v1.")


class Reflection:
    """Both versions of the service over one implementation. Safe from any thread."""

    def __init__(self, services: Iterable[str]) -> None:
        add_v1_descriptor()
        self._servicer = ReflectionServicer((*services, ALPHA, V1))
        self.gate = StreamGate(MAX_STREAMS, "reflection", whole=False)

    def handlers(self) -> dict[str, grpc.RpcMethodHandler[Any, Any]]:
        """The one method, the same for both versions."""
        info = grpc.stream_stream_rpc_method_handler(
            at_desk(stream(self._info), self.gate),
            reader(reflection_pb2.ServerReflectionRequest),
            reflection_pb2.ServerReflectionResponse.SerializeToString,
        )
        return {"ServerReflectionInfo": info}

    def _info(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        with self.gate.admit(context):
            for number, answer in enumerate(self._servicer.ServerReflectionInfo(map(decoded, requests), context)):
                if number == MAX_QUESTIONS:
                    raise LimitReached(f"at most {MAX_QUESTIONS} questions per stream; open another", {"limit": str(MAX_QUESTIONS)})
                yield answer
