"""What a team does with its own files: `earshot build`, `verify`, `inspect`, `serve`, a call through generated stubs; and how each refusal exits."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from earshot.v1 import recommendation_service_pb2 as pb
from tests.integration.server_process import ServerProcess, run_command
from tests.worlds import assert_same_slate, row_wise_world, split_world


@pytest.fixture(scope="module", params=[row_wise_world, split_world], ids=["row_wise", "split"])
def built(request, tmp_path_factory):
    """(world, bundle), built by the command."""
    world = request.param(tmp_path_factory.mktemp("own"))
    bundle = world.directory / "bundle"
    done = run_command("build", *world.build_arguments, "--out", str(bundle), "--bundle-version", "v1", timeout_s=120)
    assert done.returncode == 0, done.stderr
    return world, bundle


def test_the_served_slate_is_the_reference_slate(built, tmp_path):
    world, bundle = built
    with ServerProcess(tmp_path, "--bundle", str(bundle)) as server:
        recommend = server.recommend()
        for user in range(0, len(world.user_ids), 7):
            answer = recommend(pb.RecommendCreatorsRequest(user=pb.User(user_id=world.user_ids[user]), exact=True, page_size=30), timeout=10)
            assert not answer.degradations
            similarities = world.similarities(user).astype(np.float32)
            scores = world.scores(user, np.arange(len(world.creator_ids)), similarities)
            served = [(one.creator_id, one.score) for one in answer.recommendations]
            expected = world.reference_slate(user, 200, 30)
            assert_same_slate(served, expected, dict(zip(world.creator_ids, scores.tolist(), strict=True)))


def test_an_embedding_in_the_request_wins_over_the_stored_one(built, tmp_path):
    world, bundle = built
    with ServerProcess(tmp_path, "--bundle", str(bundle), workers=1) as server:
        user = pb.User(user_id=world.user_ids[0], embeddings=[{"values": world.user_embeddings[1].tolist()}])
        answer = server.recommend()(pb.RecommendCreatorsRequest(user=user, exact=True, page_size=20), timeout=10)
        best = {one.creator_id: one.similarity for one in answer.recommendations}
        places = [world.creator_ids.index(creator_id) for creator_id in best]
        np.testing.assert_allclose(list(best.values()), world.similarities(1)[places], rtol=1e-5)


def test_verify_and_inspect_accept_what_build_wrote(built):
    _, bundle = built
    assert run_command("verify", str(bundle)).returncode == 0
    summary = json.loads(run_command("inspect", str(bundle), "--json").stdout)
    assert summary["version"] == "v1"
    assert summary["recall"] >= 0.95


def test_verify_refuses_a_bundle_in_which_one_byte_changed(built, tmp_path):
    _, bundle = built
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    index = copy / "indexes" / "default" / "hnsw.bin"
    data = bytearray(index.read_bytes())
    data[len(data) // 2] ^= 1
    index.write_bytes(data)
    refused = run_command("verify", str(copy))
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1].startswith("error: ")
    assert "CHECKSUM_MISMATCH" in refused.stderr


def test_a_bundle_of_the_same_name_is_never_overwritten(built):
    world, bundle = built
    refused = run_command("build", *world.build_arguments, "--out", str(bundle))
    assert refused.returncode == 73
    assert "exists already" in refused.stderr


def test_a_column_to_ignore_that_no_file_has_is_refused_before_anything_is_built(built, tmp_path):
    world, _ = built
    refused = run_command("build", *world.build_arguments, "--ignore-column", "nonsense", "--out", str(tmp_path / "bundle"))
    assert refused.returncode == 78, refused.stderr
    assert '--ignore-column: "nonsense" is no column of ' in refused.stderr
    assert not (tmp_path / "bundle").exists()


def write_expected(world, path, change=0.0):
    """Scores of the model as exported for some pairs, the last one changed."""
    rows = []
    for user in range(5):
        chosen = np.arange(user, len(world.creator_ids), 97)
        similarities = world.similarities(user)[chosen].astype(np.float32)
        scores = world.scores(user, chosen, similarities).tolist()
        rows += [(world.user_ids[user], world.creator_ids[row], score) for row, score in zip(chosen, scores, strict=True)]
    rows[-1] = (*rows[-1][:2], rows[-1][2] * (1 + change) + change)
    users, creators, scores = zip(*rows, strict=True)
    pq.write_table(pa.table({"user_id": users, "creator_id": creators, "score": scores}), path)
    return rows[-1]


def test_the_scores_of_the_trainer_come_out_again(built, tmp_path):
    world, _ = built
    write_expected(world, tmp_path / "expected.parquet")
    arguments = [*world.build_arguments, "--expected", str(tmp_path / "expected.parquet"), "--out", str(tmp_path / "bundle")]
    done = run_command("build", *arguments, timeout_s=120)
    assert done.returncode == 0, done.stderr


def test_a_score_that_does_not_come_out_again_fails_the_build_with_the_worst_pair(built, tmp_path):
    world, _ = built
    user_id, creator_id, _ = write_expected(world, tmp_path / "expected.parquet", change=0.01)
    arguments = [*world.build_arguments, "--expected", str(tmp_path / "expected.parquet"), "--out", str(tmp_path / "bundle")]
    refused = run_command("build", *arguments, timeout_s=120)
    assert refused.returncode == 2
    assert "QUALITY_GATE" in refused.stderr
    assert user_id in refused.stderr
    assert creator_id in refused.stderr
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ([], 64, "COMMAND"),
        (["build"], 64, "--creators"),
        (["build", "--creators", "no.parquet", "--ranker", "no.onnx", "--out", "/tmp/never"], 66, "no.onnx"),
        (["build", "--creators", "c", "--ranker", "r", "--out", "o", "--candidates", "0"], 78, "--candidates"),
        (["verify", "/no/such/bundle"], 66, "/no/such/bundle"),
        (["inspect", "/no/such/bundle"], 66, "/no/such/bundle"),
        (["serve"], 78, "bundle"),
        (["query", "--target", "127.0.0.1:1", "--timeout-ms", "50"], 1, "127.0.0.1:1"),
        (["query", "--feature", "age"], 78, "NAME=VALUE"),
    ],
)
def test_every_refusal_has_its_exit_code_and_names_what_was_wrong(arguments, code, says):
    refused = run_command(*arguments)
    assert refused.returncode == code, refused.stderr
    assert says in refused.stderr
    assert "Traceback" not in refused.stderr
