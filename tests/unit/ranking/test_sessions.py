"""Sessions and bundles: providers never fall back in silence, tables are not copied, damaged files are refused, serving needs no onnx."""

import json
import subprocess
import sys
import threading

import numpy as np
import onnxruntime as ort
import pytest

from domain.errors import ArtifactError, ArtifactReason, ConfigurationError, ProviderUnavailable
from ranking.compile import CompileOptions
from ranking.open import open_ranker
from ranking.session import open_session, session_options
from tests.unit.ranking.ranking_world import MODELS, binding_text, compile_model, make_candidates, make_creators, make_user, weighing

CREATORS = make_creators()
WITHOUT_GPU = pytest.mark.skipif("CUDAExecutionProvider" in ort.get_available_providers(), reason="this runtime has a GPU")


@pytest.fixture
def compiled(tmp_path):
    return compile_model(
        tmp_path,
        weighing(width=10),
        binding_text('"creator.quality", "creator.embedding", "creator.rare.present"'),
        options=CompileOptions(folds=False),
    )


def reopen(compiled, **changes):
    return open_ranker(compiled.directory, json.loads(json.dumps(compiled.description.to_json())) | changes, CREATORS)


@WITHOUT_GPU
def test_cuda_without_a_gpu_is_refused(compiled):
    with pytest.raises(ProviderUnavailable, match=r"has only .*CPUExecutionProvider.*choose --provider cpu or auto"):
        open_ranker(compiled.directory, compiled.description.to_json(), CREATORS, provider="cuda")


@WITHOUT_GPU
def test_auto_on_a_machine_without_a_gpu_is_the_cpu_and_no_fallback(compiled):
    ranker = open_ranker(compiled.directory, compiled.description.to_json(), CREATORS, provider="auto")
    assert (ranker.served.provider, ranker.served.fell_back) == ("cpu", False)
    assert not compiled.ranker.served.fell_back


@pytest.mark.gpu
@pytest.mark.skipif("CUDAExecutionProvider" not in ort.get_available_providers(), reason="needs a GPU and onnxruntime-gpu")
def test_a_gpu_gives_the_scores_of_the_cpu(compiled):
    ranker = open_ranker(compiled.directory, compiled.description.to_json(), CREATORS, provider="cuda")
    candidates = make_candidates(200)
    on_gpu, on_cpu = ranker.rank(make_user(), candidates, 20, {}, None), compiled.rank(make_user(), candidates, 20)
    assert ranker.served.provider == "cuda"
    assert np.allclose(on_gpu.scores, on_cpu.scores, atol=1e-3)


def test_an_unknown_provider_is_a_configuration_error():
    with pytest.raises(ConfigurationError, match="choose one of cpu, cuda, auto"):
        open_session(MODELS / "sklearn_mlp.onnx", "tpu")


def test_sessions_use_no_threads_of_their_own():
    options = session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


def test_a_description_survives_json(compiled):
    ranker = reopen(compiled)
    candidates = make_candidates(30)
    assert ranker.description == compiled.description
    assert np.array_equal(
        ranker.rank(make_user(), candidates, 5, {}, None).scores,
        compiled.rank(make_user(), candidates).scores,
    )


def test_tables_are_bound_where_they_lie(tmp_path):
    """A copy of a table per session would multiply the memory of every worker."""
    compiled = compile_model(tmp_path, weighing(width=8), binding_text('"creator.embedding"'), creators=CREATORS, options=CompileOptions(folds=False))
    (bound,) = compiled.ranker._tables.values()
    assert bound.data_ptr() == CREATORS.embeddings.ctypes.data
    assert not (compiled.directory / "tables").exists(), "the embeddings are there already"


def test_threads_share_one_ranker(compiled):
    candidates = [make_candidates(60, seed) for seed in range(8)]
    wanted = [compiled.rank(make_user(), c).scores for c in candidates]
    wrong = []

    def work(number):
        scores = [compiled.rank(make_user(), candidates[number]).scores for _ in range(40)]
        wrong.extend(number for one in scores if not np.array_equal(one, wanted[number]))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("missing", ["binding.json", "tables/0.npy"])
def test_a_missing_file_is_named(compiled, missing):
    (compiled.directory / missing).unlink()
    with pytest.raises(ArtifactError, match=missing) as refused:
        reopen(compiled)
    assert refused.value.reason is ArtifactReason.CHECKSUM_MISMATCH


@pytest.mark.parametrize(
    ("file", "data", "reason"),
    [
        ("served.onnx", b"damaged", ArtifactReason.MODEL_INVALID),
        ("served.onnx", b"", ArtifactReason.MODEL_INVALID),
        ("binding.json", b"{", ArtifactReason.BINDING_INVALID),
        ("binding.json", b"[]", ArtifactReason.BINDING_INVALID),
        ("tables/0.npy", b"damaged", ArtifactReason.FEATURES_INVALID),
        ("tables/0.npy", b"", ArtifactReason.FEATURES_INVALID),
    ],
)
def test_a_damaged_file_is_refused(compiled, file, data, reason):
    (compiled.directory / file).write_bytes(data)
    with pytest.raises(ArtifactError) as refused:
        reopen(compiled)
    assert refused.value.reason is reason


@pytest.mark.parametrize("table", [np.zeros((300, 10)), np.zeros((299, 10), np.float32), np.asfortranarray(np.zeros((300, 10), np.float32))])
def test_a_table_that_is_not_what_the_manifest_says_is_refused(compiled, table):
    np.save(compiled.directory / "tables" / "0.npy", table)
    with pytest.raises(ArtifactError) as refused:
        reopen(compiled)
    assert refused.value.reason is ArtifactReason.FEATURES_INVALID


def test_a_graph_that_is_not_what_the_manifest_says_is_refused(compiled):
    with pytest.raises(ArtifactError) as refused:
        reopen(compiled, reads_similarity=True)
    assert refused.value.reason is ArtifactReason.MODEL_SIGNATURE
    assert "earshot/similarities" in refused.value.text


@pytest.mark.parametrize("changes", [{"form": "unheard of"}, {"requests": 3}, {"tables": [{}]}])
def test_a_description_of_another_kind_is_refused(compiled, changes):
    with pytest.raises(ArtifactError) as refused:
        reopen(compiled, **changes)
    assert refused.value.reason is ArtifactReason.MANIFEST_INVALID


def test_serving_imports_neither_onnx_nor_pyarrow():
    code = "import sys, ranking.open, ranking.similarity_ranker; sys.exit(bool({'onnx', 'pyarrow'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
