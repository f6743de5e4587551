"""The response codec: what the engine answered is what a client reads."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domain.diagnosis import Diagnosis
from domain.slate import Degradation, DegradationReason, Slate, Stage
from earshot.v1 import recommendation_service_pb2 as pb
from earshot.v1 import types_pb2
from server.rpc.encode import ResponseEncoder
from tests.unit.server.small_world import DIAGNOSIS, creators, recommended


def encode(answer, diagnostic=False, catalogue=None, diagnose=lambda _: DIAGNOSIS):
    return pb.RecommendCreatorsResponse.FromString(ResponseEncoder(catalogue or creators(), "v1", 77, diagnose).encode("r1", answer, diagnostic))


def test_rows_come_in_order_and_a_score_that_is_not_finite_is_absent():
    response = encode(recommended(rows=(2, 0, 1), scores=(0.5, float("nan"), float("inf"))))
    rows = [(r.creator_id, r.name, r.score if r.HasField("score") else None, round(r.similarity, 3)) for r in response.recommendations]
    assert rows == [("ü", "Özil", 0.5, 1.0), ("a", "Anna", None, 0.5), ("b", "", None, 0.0)]
    assert (response.request_id, response.bundle_version, response.receipt, response.profile) == ("r1", "v1", "receipt", "default")


def test_a_score_of_zero_is_present():
    assert encode(recommended(rows=(0,), scores=(0.0,))).recommendations[0].HasField("score")


def test_a_catalogue_without_names_gives_empty_ones():
    assert [r.name for r in encode(recommended(), catalogue=creators(names=None)).recommendations] == ["", ""]


def test_names_are_read_from_a_memory_map(tmp_path: Path):
    catalogue = creators()
    np.save(tmp_path / "names.npy", catalogue.names.values)
    mapped = np.load(tmp_path / "names.npy", mmap_mode="r")
    names = type(catalogue.names)(catalogue.names.spec, mapped, catalogue.names.offsets)
    mapped_catalogue = creators(names=None)
    object.__setattr__(mapped_catalogue, "names", names)
    assert [r.name for r in encode(recommended(), catalogue=mapped_catalogue).recommendations] == ["Özil", "Anna"]


def test_diagnostics_only_when_asked_for():
    assert not encode(recommended()).HasField("diagnostics")
    diagnostics = encode(recommended(), diagnostic=True).diagnostics
    assert [(s.stage, s.duration.ToMilliseconds(), s.input_count, s.output_count) for s in diagnostics.stages] == [
        (types_pb2.STAGE_RETRIEVE, 2, 3, 3),
        (types_pb2.STAGE_RANK, 4, 2, 2),
    ]
    assert (diagnostics.duration.ToMilliseconds(), diagnostics.plan.retrieve_count, diagnostics.plan.rank_count) == (7, 3, 2)
    assert (diagnostics.scoring_form, diagnostics.retrieval_method, diagnostics.worker_pid) == ("whole", "index", 77)
    disposition = diagnostics.disposition
    assert (disposition.retrieved_count, disposition.served_count, disposition.reserve_count) == (3, 2, 0)
    assert dict(disposition.removed_counts) == {"excluded": 1}


def test_diagnostics_tell_the_plan_the_costs_it_was_made_with_and_what_the_cut_costs():
    diagnostics = encode(recommended(), diagnostic=True).diagnostics
    plan = diagnostics.plan
    assert (plan.remaining.ToMilliseconds(), plan.predicted.ToMilliseconds(), plan.confidence, plan.running_count) == (125, 20, 0.99, 4)
    assert (plan.form, diagnostics.ranked_count, diagnostics.estimated_loss) == ("folded", 2, 0.25)
    assert [(c.stage, c.fixed.ToMicroseconds(), c.per_row_seconds, c.share, c.sure.ToMicroseconds()) for c in diagnostics.costs] == [
        (types_pb2.STAGE_RANK, 1000, 1e-5, 0.5, 6000),
        (types_pb2.STAGE_UNSPECIFIED, 100, 0.0, 1.0, 200),
    ]


def test_a_loss_that_nobody_estimated_is_absent():
    diagnostics = encode(recommended(), diagnostic=True, diagnose=lambda _: Diagnosis()).diagnostics
    assert not diagnostics.HasField("estimated_loss")


def test_nobody_computes_a_diagnosis_that_was_not_asked_for():
    def diagnose(_):
        raise AssertionError("diagnosed")

    assert not encode(recommended(), diagnose=diagnose).HasField("diagnostics")


def test_degradations_are_always_told():
    rungs = (Degradation(Stage.RANK, DegradationReason.DEADLINE, 200, 50),)
    (rung,) = encode(recommended(degradations=rungs)).degradations
    assert (rung.stage, rung.reason, rung.wanted_count, rung.served_count) == (
        types_pb2.STAGE_RANK,
        types_pb2.DEGRADATION_REASON_DEADLINE,
        200,
        50,
    )


def test_the_numbers_of_the_domain_are_those_of_the_api():
    assert {s.name: s.value for s in Stage} == {n.removeprefix("STAGE_"): v for n, v in types_pb2.Stage.items() if v}
    assert {r.name: r.value for r in DegradationReason} == {
        n.removeprefix("DEGRADATION_REASON_"): v for n, v in types_pb2.DegradationReason.items() if v
    }


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


@given(st.lists(st.tuples(texts, st.text(st.characters(exclude_categories=["Cs"]), max_size=20), st.floats(width=32)), min_size=1, max_size=30))
def test_what_is_encoded_is_what_a_client_reads(rows):
    catalogue = creators([row[0] for row in rows], [row[1] for row in rows])
    order = np.arange(len(rows))[::-1]
    scores = np.array([rows[i][2] for i in order], np.float32)
    response = encode(recommended(slate=Slate(order, scores, np.zeros(len(rows), np.float32), considered=order)), catalogue=catalogue)
    got = [(r.creator_id, r.name, r.score if r.HasField("score") else None) for r in response.recommendations]
    assert got == [(rows[i][0], rows[i][1], rows[i][2] if np.isfinite(rows[i][2]) else None) for i in order]


@given(data=st.data(), width=st.integers(3, 120), count=st.integers(1, 300))
def test_rows_that_are_written_at_once_are_read_as_those_that_are_written_one_by_one(data, width, count):
    """Ids of one length without names take the short way; longer ones than fit, and scores that are not finite, the long one."""
    numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)
    ids = [str(place).zfill(width).encode() for place in range(count)]
    catalogue = creators(names=None)
    object.__setattr__(catalogue, "ids", np.array(ids, f"S{width}"))
    page = data.draw(st.lists(st.integers(0, count - 1), max_size=50))
    scores = data.draw(st.lists(numbers, min_size=len(page), max_size=len(page)))
    answer = recommended(rows=tuple(page), scores=tuple(scores))
    encoder = ResponseEncoder(catalogue, "v1", 77, lambda _: DIAGNOSIS)
    assert (encoder._uniform is not None) is (width <= 100)
    at_once = pb.RecommendCreatorsResponse.FromString(encoder.encode("r1", answer, True))
    encoder._uniform = None
    assert at_once == pb.RecommendCreatorsResponse.FromString(encoder.encode("r1", answer, True))


def test_a_score_that_is_not_finite_is_absent_where_rows_are_written_at_once():
    catalogue = creators(names=None)
    object.__setattr__(catalogue, "ids", np.array([b"aa", b"bb", b"cc"]))
    response = encode(recommended(rows=(2, 0, 1), scores=(0.5, float("nan"), float("inf"))), catalogue=catalogue)
    assert [(r.creator_id, r.HasField("score")) for r in response.recommendations] == [("cc", True), ("aa", False), ("bb", False)]
