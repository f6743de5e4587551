"""Building: the file, the tuned effort, the recall that is promised, and the gate."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import hnswlib
import numpy as np
import pytest

from domain.errors import ArtifactError, ArtifactReason, ConfigurationError, OutputNotWritable
from retrieval import hnsw_build, tuning
from retrieval.description import IndexDescription
from retrieval.exact_source import ExactSource
from retrieval.hnsw_build import IndexOptions, build_index
from retrieval.hnsw_source import HnswSource
from retrieval.queries import sample_queries
from tests.unit.retrieval.world import NEVER, Counting, best, clustered, creators_of, norms_of, similarities


def built(creators, directory, queries=None, **options):
    return build_index(
        creators.embeddings, creators.norms, queries, directory, IndexOptions(**{"space": "cosine", "query_count": 200, **options}), Counting()
    )


def loaded(creators, directory, description):
    return HnswSource.load(directory, description, creators.embeddings, creators.norms, creators.id_ranks)


def hard(seed, count, dims=48):
    """No clusters: the worst case of a graph."""
    return np.random.default_rng(seed).normal(size=(count, dims)).astype(np.float32)


@pytest.fixture(scope="module", params=["cosine", "ip"])
def tuned(request, tmp_path_factory):
    """(creators, description, source) of an index that has to be tuned: the least effort does not suffice."""
    directory, creators = tmp_path_factory.mktemp("tuned"), creators_of(hard(1, 2500))
    options = {"space": request.param, "candidate_count": 40, "recall": 0.93, "query_count": 300, "m": 6, "ef_construction": 60, "threads": 2}
    description = built(creators, directory, hard(2, 600), **options)
    assert description.ef > 45
    return creators, description, loaded(creators, directory, description)


def recall_of(creators, source, space, count):
    """Over 150 users that the build has not seen."""
    return np.mean(
        [len(np.intersect1d(source.retrieve(query, count, NEVER).rows, best(creators, query, space, count))) / count for query in hard(3, 150)]
    )


def test_unseen_users_get_the_recall_that_the_description_promises_within_a_point(tuned):
    creators, description, source = tuned
    assert description.recall >= 0.93
    assert recall_of(creators, source, description.space, 40) >= description.recall - 0.01


@pytest.mark.parametrize(("count", "slack"), [(5, 0.0), (20, 0.0), (120, 0.02)])
def test_fewer_candidates_than_the_tuned_count_get_at_least_its_recall_and_more_get_about_it(count, slack, tuned):
    creators, description, source = tuned
    assert recall_of(creators, source, description.space, count) >= description.recall - 0.01 - slack


@pytest.mark.parametrize("space", ["cosine", "ip"])
def test_fewer_candidates_are_searched_with_less_effort_at_the_same_recall(space, tmp_path):
    creators, users = creators_of(clustered(1, 4000, 24)), clustered(2, 300, 24)
    description = built(creators, tmp_path, users, space=space, candidate_count=250, recall=0.93, m=6, ef_construction=60)
    assert [count for count, _ in description.fewer] == [20, 50, 100, 200]
    assert description.least_effort < 0.5 * description.ef
    source = loaded(creators, tmp_path, description)
    for count, effort in description.fewer:
        assert source.effort(count) == effort < description.ef
        found = [len(np.intersect1d(source.retrieve(q, count, NEVER).rows, best(creators, q, space, count))) / count for q in users]
        assert np.mean(found) >= 0.93


def test_the_effort_is_no_larger_than_it_must_be(tuned):
    _, description, _ = tuned
    tried = [effort for effort, _, _ in description.curve]
    below = [effort for effort in tried if effort < description.ef]
    assert max(below) >= 0.9 * description.ef - 1
    assert tried == sorted(tried)
    assert all(milliseconds > 0 for _, _, milliseconds in description.curve)


def test_more_recall_costs_more_effort(tmp_path):
    creators = creators_of(hard(1, 1500))
    efforts = [built(creators, tmp_path, hard(2, 200), candidate_count=20, recall=recall, m=4, threads=2).ef for recall in (0.7, 0.98)]
    assert efforts[0] < efforts[1]


def test_a_recall_out_of_reach_fails_the_build_and_says_what_to_change(tmp_path, monkeypatch):
    monkeypatch.setattr(tuning, "EFFORT_CAP", 60)
    creators = creators_of(hard(1, 3000))
    with pytest.raises(ArtifactError) as caught:
        built(creators, tmp_path, hard(2, 200), candidate_count=30, recall=0.999, m=2, ef_construction=2)
    assert caught.value.reason == ArtifactReason.QUALITY_GATE
    assert "0.999" in caught.value.text
    assert "--recall" in caught.value.text
    assert "--index-ef-construction" in caught.value.text


def test_a_catalogue_that_is_always_scanned_passes_whatever_its_graph_is_worth(tmp_path, monkeypatch):
    monkeypatch.setattr(tuning, "EFFORT_CAP", 1)
    creators = creators_of(hard(1, 1000))
    assert built(creators, tmp_path, candidate_count=30, recall=1.0, m=2, ef_construction=2).recall == 1.0


def around_a_shared_direction(seed, count, spread=1.0):
    """Vectors with one strong common direction and lengths over two orders of magnitude: hubs."""
    random = np.random.default_rng(seed)
    directions = random.normal(size=(count, 16)) + 2.0
    return (directions / np.linalg.norm(directions, axis=1, keepdims=True) * np.exp(spread * random.normal(size=(count, 1)))).astype(np.float32)


def found_share(index, width, creators, users, count, effort):
    """Mean recall of a bare graph; a failed query found nothing."""
    hits = 0
    for user in users:
        query = np.zeros((1, width), np.float32)
        query[0, : len(user)] = user / np.linalg.norm(user)
        try:
            labels, _ = index.knn_query(query, k=effort, num_threads=1)
        except RuntimeError:
            continue
        hits += len(np.intersect1d(labels[0, :count], best(creators, user, "ip", count)))
    return hits / count / len(users)


def test_hubs_break_a_graph_over_raw_inner_products_and_the_extra_dimension_mends_it(tmp_path):
    creators, users = creators_of(around_a_shared_direction(1, 4000)), around_a_shared_direction(2, 200, 0.0)
    description = built(creators, tmp_path, users, space="ip", candidate_count=50, recall=0.95)
    assert (description.reduction, description.padded_dimension_count) == ("l2_extra_dimension", 32)
    assert description.recall >= 0.95
    raw = hnswlib.Index("ip", 16)
    raw.init_index(4000, ef_construction=200, M=16)
    raw.add_items(creators.embeddings, num_threads=1)
    assert found_share(raw, 16, creators, users, 50, 200) < 0.9
    reduced = hnswlib.Index("ip", 32)
    reduced.load_index(str(tmp_path / "hnsw.bin"))
    assert found_share(reduced, 32, creators, users, 50, 200) > 0.97


def test_inner_products_without_hubs_are_indexed_as_they_are_since_the_reduction_would_cost_recall(tmp_path):
    lengths = np.exp(0.5 * np.random.default_rng(5).normal(size=(4000, 1)))
    embeddings = hard(1, 4000, 16)
    embeddings = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True) * lengths
    creators = creators_of(embeddings)
    description = built(creators, tmp_path, hard(2, 200, 16), space="ip", candidate_count=50, recall=0.95)
    assert description.reduction == ""
    assert description.ef <= 200


def test_inner_products_of_one_norm_need_no_extra_dimension(tmp_path):
    embeddings = hard(1, 500, 16)
    embeddings = 3.0 * embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    description = built(creators_of(embeddings), tmp_path, space="ip", candidate_count=20)
    assert (description.reduction, description.padded_dimension_count) == ("", 16)


@pytest.mark.parametrize(("dims", "padded"), [(1, 16), (15, 16), (16, 16), (17, 32), (64, 64)])
def test_vectors_are_padded_to_whole_vector_registers(dims, padded, tmp_path):
    assert built(creators_of(clustered(1, 60, dims)), tmp_path, candidate_count=10).padded_dimension_count == padded


def test_labels_are_rows_and_there_is_no_room_to_spare(tmp_path):
    creators = creators_of(clustered(1, 700, 20))
    description = built(creators, tmp_path, candidate_count=10, threads=2)
    index = hnswlib.Index("ip", description.padded_dimension_count)
    index.load_index(str(tmp_path / "hnsw.bin"))
    assert index.max_elements == index.element_count == 700
    vectors = np.array(index.get_items([5, 699]))
    np.testing.assert_allclose(vectors[:, :20], (creators.embeddings / creators.norms[:, None])[[5, 699]], atol=1e-6)
    assert not vectors[:, 20:].any()


def test_one_thread_builds_the_same_bytes_again(tmp_path):
    creators = creators_of(clustered(1, 400, 12))
    files = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        built(creators, tmp_path / name, candidate_count=10)
        files.append((tmp_path / name / "hnsw.bin").read_bytes())
    assert files[0] == files[1]


def test_progress_covers_every_row_of_every_task(tmp_path):
    creators, progress = creators_of(clustered(1, 9000, 4)), Counting()
    build_index(
        creators.embeddings, creators.norms, None, tmp_path, IndexOptions("cosine", candidate_count=20, m=4, ef_construction=20, recall=0.5), progress
    )
    assert [total for _, total in progress.tasks] == progress.done
    assert len(progress.tasks) == 3


def test_a_directory_that_is_not_there_is_reported(tmp_path):
    with pytest.raises(OutputNotWritable, match=r"hnsw\.bin"):
        built(creators_of(clustered(1, 50, 4)), tmp_path / "absent", candidate_count=10)


def test_a_full_disk_is_reported_and_leaves_nothing(tmp_path, monkeypatch):
    class Truncating(hnswlib.Index):
        def save_index(self, path):
            super().save_index(path)
            with Path(path).open("r+b") as file:
                file.truncate(1000)

    monkeypatch.setattr(hnsw_build.hnswlib, "Index", Truncating)
    with pytest.raises(OutputNotWritable, match="1000 of"):
        built(creators_of(clustered(1, 50, 4)), tmp_path, candidate_count=10)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options",
    [{"space": "l2"}, {"m": 1}, {"m": 600}, {"ef_construction": 3}, {"candidate_count": 0}, {"recall": 0.0}, {"recall": 1.1}, {"threads": 0}],
)
def test_options_that_cannot_be_built_are_refused(options):
    with pytest.raises(ConfigurationError):
        IndexOptions(**{"space": "cosine", **options})


def test_a_few_users_are_filled_up_and_many_are_sampled():
    creators = creators_of(clustered(1, 300, 8))
    few, many = clustered(2, 3, 8), clustered(2, 5000, 8)
    filled = sample_queries(few, creators.embeddings, creators.norms, 1000, 1)
    assert len(filled) == 200
    assert np.array_equal(filled[:3], few)
    sampled = sample_queries(many, creators.embeddings, creators.norms, 1000, 1)
    assert len(sampled) == 1000
    assert {row.tobytes() for row in sampled} <= {row.tobytes() for row in many}
    assert len(sample_queries(None, creators.embeddings, creators.norms, 1000, 1)) == 1000
    assert np.array_equal(sampled, sample_queries(many, creators.embeddings, creators.norms, 1000, 1))


def test_the_exact_answers_of_a_build_are_those_of_numpy(monkeypatch):
    monkeypatch.setattr(tuning, "BLOCK_PRODUCTS", 70 * 40)  # several blocks
    creators, queries = creators_of(hard(1, 500, 9)), hard(2, 40, 9)
    for space in ("cosine", "ip"):
        truth = tuning.exact_answers(creators.embeddings, creators.norms if space == "cosine" else None, queries, 30)
        for query, rows, floor in zip(queries, truth.rows, truth.floors, strict=True):
            wanted = best(creators, query, space, 30)
            assert sorted(rows) == sorted(wanted)
            assert floor == pytest.approx(similarities(creators, query, space)[wanted[-1]], rel=1e-5)


def test_equal_vectors_count_as_found_whichever_of_them_is(tmp_path):
    """300 copies of one vector: no set of 50 of them is more right than another."""
    embeddings = clustered(1, 3000, 16)
    embeddings[:300] = embeddings[0]
    creators = creators_of(embeddings)
    queries = np.repeat(embeddings[:1], 200, axis=0)
    assert built(creators, tmp_path, queries, candidate_count=50, recall=0.95).recall == 1.0


def test_a_description_survives_the_manifest():
    description = IndexDescription("ip", 5, 16, 100, 16, 200, 250, 200, 0.96, 2.5, "l2_extra_dimension", 7, ((200, 0.9, 0.1), (250, 0.97, 0.2)))
    assert IndexDescription.from_json(json.loads(json.dumps(description.to_json()))) == description


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("kind", "ivf"),
        ("space", "l2"),
        ("reduction", "other"),
        ("count", 0),
        ("count", "7"),
        ("count", True),
        ("ef", 2**40),
        ("m", None),
        ("recall", float("nan")),
        ("recall", "high"),
        ("max_norm", 0.0),
        ("padded_dimension_count", 4),
        ("curve", 3),
        ("curve", [[1, 2]]),
        ("curve", [[1, "x", 2]]),
    ],
)
def test_a_description_that_cannot_be_is_refused_by_name(key, value):
    values = IndexDescription("ip", 5, 16, 100, 16, 200, 250, 200, 0.96, 2.5).to_json()
    with pytest.raises(ArtifactError, match=key) as caught:
        IndexDescription.from_json({**values, key: value})
    assert caught.value.reason == ArtifactReason.MANIFEST_INVALID
    del values[key]
    with pytest.raises(ArtifactError, match=key):
        IndexDescription.from_json(values)


@pytest.mark.parametrize("fewer", [3, [[20]], [[20, 10]], [[20, 2.5]], [[50, 60], [20, 70]], [[20, 70], [50, 60]], [[20, 300]], [[200, 250]]])
def test_efforts_for_fewer_that_cannot_be_are_refused(fewer):
    values = IndexDescription("ip", 5, 16, 100, 16, 200, 250, 200, 0.96, 2.5).to_json()
    with pytest.raises(ArtifactError, match="fewer"):
        IndexDescription.from_json({**values, "fewer": fewer})


def test_a_description_of_before_has_one_effort_for_all_counts():
    values = IndexDescription("ip", 5, 16, 10_000, 16, 200, 250, 200, 0.96, 2.5, fewer=((20, 40),)).to_json()
    assert IndexDescription.from_json(values).effort(20) == 40
    del values["fewer"]
    assert IndexDescription.from_json(values).effort(20) == 250


def test_fewer_candidates_take_less_effort_where_recall_allows_it():
    description = IndexDescription("cosine", 64, 64, 10_000, 16, 200, 240, 200, 0.95, 1.0, fewer=((20, 40), (50, 90)))
    assert [description.effort(count) for count in (1, 20, 21, 50, 51, 200, 400)] == [40, 40, 90, 90, 240, 240, 480]
    assert description.least_effort == 40


def test_efforts_grow_with_the_candidates_and_end_at_the_catalogue():
    description = IndexDescription("cosine", 64, 64, 10_000, 16, 200, 300, 200, 0.95, 1.0)
    efforts = [description.effort(count) for count in (1, 10, 200, 201, 400, 9000, 10_000)]
    assert efforts[:3] == [300, 300, 300]
    assert efforts[3:] == [302, 600, 10_000, 10_000]
    assert all(a <= b for a, b in itertools.pairwise(efforts))


def test_norms_are_those_of_the_embeddings_as_given():
    embeddings = clustered(1, 50, 7)
    exact = ExactSource(embeddings, norms_of(embeddings), np.arange(50), "cosine")
    assert exact.similarities_of(embeddings[3], np.array([3]))[0] == pytest.approx(1.0, abs=1e-6)
