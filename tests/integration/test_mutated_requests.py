"""Thousands of broken requests to every method that both planes serve: each is refused or served, never INTERNAL or UNKNOWN, and nobody dies.

The suite sends a part. All of it, or more, with another seed:

    MUTATIONS=20000 MUTATION_SEED=7 make test TESTS=tests/integration/test_mutated_requests.py
"""

import os
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import grpc
import numpy as np
import pytest
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from earshot.client import error_info_of
from earshot.v1 import bundle_service_pb2, types_pb2
from earshot.v1 import recommendation_service_pb2 as pb
from tests.integration.mutated_messages import mutated
from tests.integration.server_process import ServerProcess

COUNT = int(os.environ.get("MUTATIONS", "2000"))
SEED = int(os.environ.get("MUTATION_SEED", "1"))
CALLERS = 4
ANSWER_WITHIN_S = 10.0
Code = grpc.StatusCode
# OK: what was changed did not matter. RESOURCE_EXHAUSTED: too long, or as many streams as there may be. All others are bad input's own.
EXPECTED = {Code.OK, Code.INVALID_ARGUMENT, Code.NOT_FOUND, Code.FAILED_PRECONDITION, Code.RESOURCE_EXHAUSTED}


@dataclass(frozen=True)
class Method:
    """One method of one plane, with good requests. share: how many of the mutations it gets, relative to the others."""

    path: str
    plane: str
    samples: list[Message]
    share: float = 1.0
    streams_answers: bool = False
    streams_requests: bool = False


def recommend_samples():
    rng = np.random.default_rng(0)
    embedding = types_pb2.Embedding(values=rng.normal(size=24).astype(np.float32).tolist())
    listed = pb.User(user_id="listener-0001")
    value, mix = types_pb2.FeatureValue, types_pb2.NumberList(values=[1 / 16] * 16)
    context = {"hour": value(number=8), "activity": value(text="commute")}
    features = {
        "age_days": value(integer=30),
        "country": value(text="SE"),
        "genre": value(text="indie"),
        "tags": value(numbers=mix),
        "history": value(texts=types_pb2.TextList(values=["emiko-fujimori", "little-engine", "nobody"])),
    }
    wanted = pb.CandidateFilter(
        market="SE", excluded_creator_ids=["little-engine", "b"], tiers=["emerging"], include_followed=True, seen_creator_ids=["emiko-fujimori", "x"]
    )
    return [
        pb.RecommendCreatorsRequest(user=listed),
        pb.RecommendCreatorsRequest(user=pb.User(embeddings=[embedding], features=features)),
        pb.RecommendCreatorsRequest(user=listed, context_features=context, view=pb.RESPONSE_VIEW_DIAGNOSTIC, exact=True),
        pb.RecommendCreatorsRequest(user=pb.User(user_id="listener-0002", features=features), filter=wanted),
        pb.RecommendCreatorsRequest(
            request_id="r1",
            user=pb.User(user_id="listener-0003", embeddings=[embedding], features=features),
            page_size=50,
            candidate_count=300,
            filter=wanted,
            context_features=context,
            surface="home",
            as_of_time={"seconds": 1_700_000_000, "nanos": 5},
            priority=pb.PRIORITY_BATCH,
            bundle_version="demo-1",
        ),
    ]


def methods():
    check = [health_pb2.HealthCheckRequest(), health_pb2.HealthCheckRequest(service="earshot.v1.RecommendationService")]
    ask = reflection_pb2.ServerReflectionRequest
    extension = reflection_pb2.ExtensionRequest(containing_type="google.protobuf.FieldOptions", extension_number=1052)
    questions = [
        ask(list_services=""),
        ask(file_by_filename="earshot/v1/types.proto"),
        ask(file_containing_symbol="earshot.v1.RecommendationService"),
        ask(file_containing_extension=extension),
        ask(all_extension_numbers_of_type="google.protobuf.FieldOptions"),
    ]
    found = [Method("/earshot.v1.RecommendationService/RecommendCreators", "data", recommend_samples(), share=20)]
    for plane in ("data", "control"):
        found.append(Method("/grpc.health.v1.Health/Check", plane, check))
        found.append(Method("/grpc.health.v1.Health/List", plane, [health_pb2.HealthListRequest()], share=0.5))
        found.append(Method("/grpc.health.v1.Health/Watch", plane, check, streams_answers=True))
        for version in ("v1", "v1alpha"):
            path = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
            found.append(Method(path, plane, questions, streams_answers=True, streams_requests=True))
    for name, kind in (("ListBundles", "ListBundlesRequest"), ("GetServingStatus", "GetServingStatusRequest")):
        found.append(Method(f"/earshot.v1.BundleService/{name}", "control", [getattr(bundle_service_pb2, kind)()]))
    return found


class Caller:
    """Sends bytes on connections of its own and notes the codes. One thread."""

    def __init__(self, server) -> None:
        self._channels = {"data": server.channel(max_send_message_length=-1), "control": server.channel(server.control_target)}
        self.codes: Counter[tuple[str, Code]] = Counter()

    def send(self, method: Method, body: bytes) -> None:
        """One call. AssertionError when it ends as none should."""
        channel = self._channels[method.plane]
        try:
            if method.streams_requests:
                list(channel.stream_stream(method.path)(iter([body]), timeout=ANSWER_WITHIN_S))
            elif method.streams_answers:
                self._look(channel.unary_stream(method.path)(body, timeout=ANSWER_WITHIN_S))
            else:
                channel.unary_unary(method.path)(body, timeout=ANSWER_WITHIN_S)
            code = Code.OK
        except grpc.RpcError as error:
            code = error.code()
            if error_info_of(error) is None and code is not Code.RESOURCE_EXHAUSTED:  # which gRPC's core answers by itself, too
                raise AssertionError(f"{method.path}: {code} without ErrorInfo, {error.details()}: {body[:2000]!r}") from error
        self.codes[method.path, code] += 1
        assert code in EXPECTED, (method.path, code, body[:2000])

    @staticmethod
    def _look(watch) -> None:
        """A watch never ends by itself: its first answer is enough."""
        next(watch)
        watch.cancel()


def bodies(seed: int, count: int):
    """(method, body), the same ones for the same seed."""
    random = np.random.default_rng(seed)
    served = methods()
    shares = np.array([method.share for method in served])
    for choice in random.choice(len(served), count, p=shares / shares.sum()):
        method = served[choice]
        sample = method.samples[random.integers(len(method.samples))]
        yield method, mutated(sample, method.samples, random)


@pytest.fixture(scope="module")
def server(demo_bundle, tmp_path_factory):
    """One of its own: thousands of calls would drown the lines that other tests look for in the log."""
    with ServerProcess(tmp_path_factory.mktemp("mutated-requests"), "--bundle", str(demo_bundle)) as running:
        yield running


@pytest.fixture(scope="module")
def slate(server):
    """What a good request gets, asked for again and again: None where the server was so busy that it did less, and says so."""
    good = pb.RecommendCreatorsRequest(request_id="good", user=pb.User(user_id="listener-0001"))
    recommend = server.recommend()

    def ask():
        answer = recommend(good, timeout=5)
        return None if answer.degradations else [r.creator_id for r in answer.recommendations]

    return ask


def test_mutated_requests_are_refused_or_served_and_hurt_nobody(server, slate):
    before, workers, log_size = slate(), sorted(server.serving_pids()), server.log.stat().st_size
    callers, lock, work = [Caller(server) for _ in range(CALLERS)], threading.Lock(), enumerate(bodies(SEED, COUNT))

    def next_body():
        with lock:
            return next(work, None)

    def run(caller):
        while (task := next_body()) is not None:
            number, (method, body) = task
            caller.send(method, body)
            if number % 100 == 0:
                assert slate() in (before, None)

    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(run, callers))
    codes = sum((caller.codes for caller in callers), Counter())
    print(*sorted(f"{path} {code.name}: {count}" for (path, code), count in codes.items()), sep="\n")  # noqa: T201  # seen with -s
    assert codes.total() == COUNT
    assert {path for path, _ in codes} == {method.path for method in methods()}
    assert {code for _, code in codes} >= EXPECTED - {Code.RESOURCE_EXHAUSTED}  # mutations that all end alike test little
    assert sorted(server.serving_pids()) == workers
    assert server.status().worker_restart_count == 0
    log = server.log.read_text()[log_size:]
    assert not [word for word in ("internal error", "Traceback", "Exception") if word in log]
    time.sleep(1.0)  # what load took from answers is given back within half a second
    assert slate() == before


def test_all_samples_are_good(server):
    caller = Caller(server)
    for method in methods():
        for sample in method.samples:
            caller.send(method, sample.SerializeToString())
    assert {code for _, code in caller.codes} == {Code.OK}


def test_the_same_seed_makes_the_same_requests():
    assert list(bodies(3, 50)) == list(bodies(3, 50))
    assert [body for _, body in bodies(3, 50)] != [body for _, body in bodies(4, 50)]
