"""Which bundle of a directory is served."""

import json
from pathlib import Path

import pytest

from bundle.manifest import Manifest
from domain.errors import ArtifactError, ConfigurationError, InputNotFound
from domain.slate import Profile
from server.bundle_choice import choose_bundle, known_bundles
from server.settings import Settings


def put(directory: Path, name: str, version: str) -> None:
    manifest = Manifest(
        version=version,
        embedding_space="s",
        space="cosine",
        dimension_count=4,
        creator_count=1,
        user_count=0,
        candidate_count=1,
        creator_columns=(),
        profiles={"default": Profile()},
        indexes={"default": {}},
        rankers={"default": {}},
        recall=1.0,
    )
    (directory / name).mkdir()
    (directory / name / "manifest.json").write_bytes(manifest.to_bytes())


def want(directory: Path, version: str, digest: str) -> None:
    (directory / "channels").mkdir()
    (directory / "channels" / "default.json").write_text(json.dumps({"bundle_version": version, "digest": digest}))


def chosen(directory: Path):
    return choose_bundle(Settings(bundles=directory))


def test_the_bundle_that_is_named_is_served(tmp_path):
    put(tmp_path, "a", "v1")
    assert choose_bundle(Settings(bundle=tmp_path / "a")).manifest.version == "v1"


def test_the_only_bundle_is_served_and_drafts_do_not_count(tmp_path):
    put(tmp_path, "a", "v1")
    put(tmp_path, ".draft", "v2")
    (tmp_path / "notes").mkdir()
    assert chosen(tmp_path).manifest.version == "v1"


def test_several_bundles_without_a_channel_are_refused_by_name(tmp_path):
    put(tmp_path, "a", "v1")
    put(tmp_path, "b", "v2")
    with pytest.raises(ConfigurationError, match=r"2 bundles \(a, b\)"):
        chosen(tmp_path)


def test_the_channel_says_which_one(tmp_path):
    put(tmp_path, "a", "v1")
    put(tmp_path, "b", "v2")
    digest = choose_bundle(Settings(bundle=tmp_path / "b")).digest
    want(tmp_path, "v2", digest)
    assert chosen(tmp_path).path == tmp_path / "b"
    assert [known.manifest.version for known in known_bundles(Settings(bundles=tmp_path))] == ["v1", "v2"]


def test_a_wanted_bundle_that_is_not_there_or_has_another_digest_is_refused(tmp_path):
    put(tmp_path, "a", "v1")
    want(tmp_path, "v1", "0" * 64)
    with pytest.raises(ArtifactError, match="CHECKSUM_MISMATCH"):
        chosen(tmp_path)
    (tmp_path / "channels" / "default.json").write_text('{"bundle_version": "v9", "digest": "x"}')
    with pytest.raises(InputNotFound, match="v9"):
        chosen(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"bundle_version": "v1"}', '{"bundle_version": 1, "digest": "x"}'])
def test_a_channel_that_cannot_be_read_is_refused(tmp_path, text):
    put(tmp_path, "a", "v1")
    (tmp_path / "channels").mkdir()
    (tmp_path / "channels" / "default.json").write_text(text)
    with pytest.raises(ConfigurationError, match=r"default\.json"):
        chosen(tmp_path)


def test_nothing_to_serve_is_no_input(tmp_path):
    for directory in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputNotFound, match=str(directory)):
            chosen(directory)
    with pytest.raises(InputNotFound):
        choose_bundle(Settings(bundle=tmp_path / "nowhere"))


def test_a_broken_bundle_beside_a_good_one_is_not_listed(tmp_path):
    put(tmp_path, "a", "v1")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "manifest.json").write_text("{")
    assert [known.manifest.version for known in known_bundles(Settings(bundles=tmp_path))] == ["v1"]
