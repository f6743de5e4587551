"""Whatever is done to a published bundle is seen: by its bytes, its structure, or its values."""

import os
import shutil

import numpy as np
import pytest

from bundle.open import check_files, check_tables, open_bundle, open_creators, read_manifest
from domain.errors import ArtifactError, ArtifactReason, InputNotFound
from tests.unit.bundle.files import IDS, Silent, build_rich

MISMATCH, UNSAFE, INVALID = ArtifactReason.CHECKSUM_MISMATCH, ArtifactReason.UNSAFE_ARTIFACT, ArtifactReason.FEATURES_INVALID


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return build_rich(tmp_path_factory.mktemp("published")).path


@pytest.fixture
def bundle(published, tmp_path):
    return shutil.copytree(published, tmp_path / "copy")


def test_an_untouched_bundle_passes_every_check(bundle):
    opened = open_bundle(bundle)
    progress = Silent()
    check_files(bundle, opened.manifest, progress)
    check_tables(opened)
    assert progress.done == [progress.tasks[0][1]]
    assert opened.digest == read_manifest(bundle)[1]
    assert len(opened.digest) == 64


def flip(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def replace_by_link(path):
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def replace_by_pipe(path):
    path.unlink()
    os.mkfifo(path)


def replace_folder_by_link(path):
    folder = path.parent
    shutil.copytree(folder, folder.parent.parent / "outside")
    shutil.rmtree(folder)
    folder.symlink_to(folder.parent.parent / "outside")


TAMPERED = [
    ("bit flip", flip, MISMATCH),
    ("truncated", lambda path: path.write_bytes(path.read_bytes()[:-1]), MISMATCH),
    ("trailing byte", lambda path: path.write_bytes(path.read_bytes() + b"\0"), MISMATCH),
    ("emptied", lambda path: path.write_bytes(b""), MISMATCH),
    ("absent", lambda path: path.unlink(), MISMATCH),
    ("renamed", lambda path: path.rename(path.with_name("other")), MISMATCH),
    ("unlisted beside", lambda path: path.with_name("extra").write_bytes(b""), MISMATCH),
    ("unlisted and hidden", lambda path: path.with_name(".hidden").write_bytes(b""), MISMATCH),
    ("replaced by a link", replace_by_link, UNSAFE),
    ("replaced by a pipe", replace_by_pipe, UNSAFE),
    ("given a second name", lambda path: os.link(path, path.parent.parent.parent.parent / "second"), UNSAFE),
    ("a link beside", lambda path: path.with_name("extra").symlink_to("/etc/hostname"), UNSAFE),
    ("its folder replaced by a link", replace_folder_by_link, UNSAFE),
]


@pytest.mark.parametrize(("do", "reason"), [pytest.param(do, reason, id=name) for name, do, reason in TAMPERED])
@pytest.mark.parametrize("file", ["indexes/default/hnsw.bin", "creators/embeddings.npy", "users/columns/age.npy"])
def test_tampering_with_a_file_is_seen(bundle, file, do, reason):
    manifest, _ = read_manifest(bundle)
    do(bundle / file)
    with pytest.raises(ArtifactError) as caught:
        check_files(bundle, manifest, Silent())
    assert caught.value.reason is reason, caught.value


def test_sizes_are_compared_before_anything_is_hashed(bundle):
    manifest, _ = read_manifest(bundle)
    path = bundle / "users" / "table.json"
    path.write_bytes(path.read_bytes() + b" ")
    progress = Silent()
    with pytest.raises(ArtifactError, match="bytes long, the manifest states"):
        check_files(bundle, manifest, progress)
    assert progress.tasks == []


def test_any_single_bit_of_any_file_is_seen(bundle):
    manifest, _ = read_manifest(bundle)
    rng = np.random.default_rng(1)
    for name in manifest.files:
        path = bundle / name
        whole = path.read_bytes()
        damaged = bytearray(whole)
        if not damaged:
            continue
        damaged[rng.integers(len(damaged))] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with pytest.raises(ArtifactError, match=name):
            check_files(bundle, manifest, Silent())
        path.write_bytes(whole)
    check_files(bundle, manifest, Silent())


def test_a_manifest_that_is_absent_or_no_file_is_refused(bundle, tmp_path):
    (bundle / "manifest.json").rename(bundle / "m")
    with pytest.raises(ArtifactError, match="is absent") as caught:
        open_bundle(bundle)
    assert caught.value.reason is ArtifactReason.MANIFEST_INVALID
    (bundle / "manifest.json").symlink_to(bundle / "m")
    with pytest.raises(ArtifactError) as caught:
        open_bundle(bundle)
    assert caught.value.reason is UNSAFE
    with pytest.raises(InputNotFound, match="does not exist"):
        open_bundle(tmp_path / "nowhere")
    with pytest.raises(ArtifactError, match="is a file"):
        open_bundle(bundle / "m")


def store(path, values):
    path.unlink()
    np.save(path, values)


def edit(name, change):
    def do(bundle):
        values = np.load(bundle / name)
        store(bundle / name, change(values))

    return do


def put(place, value):
    def change(values):
        values[place] = value
        return values

    return change


BROKEN_VALUES = [
    ("NaN in an embedding", edit("creators/embeddings.npy", put((1, 2), np.nan)), "embeddings.npy", "entry 1"),
    ("zero embedding", edit("creators/embeddings.npy", put(2, 0)), "embeddings.npy", "entry 2"),
    ("embeddings in another order", edit("creators/embeddings.npy", lambda v: np.ascontiguousarray(v[::-1])), "norms.npy", "is not the norm"),
    ("infinite norm", edit("creators/norms.npy", put(0, np.inf)), "norms.npy", "entry 0"),
    ("empty id", edit("creators/ids.npy", put(3, b"")), "ids.npy", "entry 3"),
    ("ids in another order", edit("creators/ids.npy", lambda v: v[::-1].copy()), "id_order.npy", "does not sort"),
    ("order out of range", edit("creators/id_order.npy", put(0, 99)), "id_order.npy", "entry 0 is no row"),
    ("negative order", edit("creators/id_order.npy", put(0, -1)), "id_order.npy", "entry 0 is no row"),
    ("repeated order", edit("creators/id_order.npy", put(1, 1)), "id_order.npy", "does not sort"),
    ("wrong ranks", edit("creators/id_ranks.npy", lambda v: v[::-1].copy()), "id_ranks.npy", "inverse"),
    ("unknown tier", edit("creators/tier.npy", put(1, 9)), "tier.npy", "entry 1 is no tier"),
    ("NaN in a column", edit("creators/columns/ages.npy", put((3, 0), np.nan)), "ages.npy", "entry 3 is not finite"),
    ("offsets do not begin at zero", edit("creators/columns/plays.offsets.npy", put(0, 1)), "plays.offsets.npy", "entry 0"),
    ("offsets go back", edit("creators/columns/plays.offsets.npy", put(1, 4)), "plays.offsets.npy", "entry 1"),
    ("negative offsets", edit("creators/columns/plays.offsets.npy", put(1, -5)), "plays.offsets.npy", "entry 0"),
    ("creator out of range", edit("creators/columns/similar.npy", put(0, 4)), "similar.npy", "entry 0 is no row of a creator"),
    ("broken name", edit("creators/names.npy", put(3, 0xFF)), "names.npy", "UTF-8"),
    ("name cut inside a character", edit("creators/names.offsets.npy", put(3, 4)), "names.npy", "UTF-8"),
    ("market bit behind the last creator", edit("creators/markets.npy", put((0, 0), 0x83)), "market_rows.npy", "entry 0"),
    ("everywhere bit behind the last creator", edit("creators/everywhere.npy", put(0, 0x82)), "markets.npy", "entry 0"),
    ("everywhere rows", edit("creators/everywhere_rows.npy", put(0, 2)), "everywhere_rows.npy", "differs"),
    ("market rows", edit("creators/market_rows.npy", put(0, 1)), "market_rows.npy", "entry 0"),
    ("followed out of range", edit("users/followed.npy", put(0, -1)), "followed.npy", "entry 0 is no row of a creator"),
    ("infinite user embedding", edit("users/embeddings.npy", put((1, 0), np.inf)), "embeddings.npy", "entry 1"),
    ("users in another order", edit("users/ids.npy", lambda v: v[::-1].copy()), "id_order.npy", "does not sort"),
    ("infinite user feature", edit("users/columns/age.npy", put(0, np.inf)), "age.npy", "entry 0"),
]


@pytest.mark.parametrize(("do", "file", "words"), [pytest.param(*case, id=name) for name, *case in BROKEN_VALUES])
def test_values_that_break_a_law_are_refused_with_file_and_entry(bundle, do, file, words):
    do(bundle)
    opened = open_bundle(bundle)
    with pytest.raises(ArtifactError, match=words) as caught:
        check_tables(opened)
    assert caught.value.reason is INVALID
    assert caught.value.file.endswith(file)


def test_a_truth_value_that_is_neither_is_refused(bundle):
    path = bundle / "creators" / "columns" / "ages.present.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"\2")
    with pytest.raises(ArtifactError, match="entry 3 is neither true nor false"):
        check_tables(open_bundle(bundle))


BROKEN_STRUCTURE = [
    ("float64 embeddings", edit("creators/embeddings.npy", lambda v: v.astype(np.float64)), INVALID),
    ("one dimension less", edit("creators/embeddings.npy", lambda v: np.ascontiguousarray(v[:, :2])), INVALID),
    ("one creator less", edit("creators/ids.npy", lambda v: v[:3]), INVALID),
    ("big-endian norms", edit("creators/norms.npy", lambda v: v.astype(">f4")), INVALID),
    ("column-major embeddings", edit("creators/embeddings.npy", np.asfortranarray), INVALID),
    ("int32 order", edit("creators/id_order.npy", lambda v: v.astype(np.int32)), INVALID),
    ("one offset less", edit("creators/columns/plays.offsets.npy", lambda v: v[:-1]), INVALID),
    ("values cut", edit("creators/columns/plays.npy", lambda v: v[:-1]), INVALID),
    ("another dtype than stated", edit("creators/columns/followers.npy", lambda v: v.astype(np.int64)), INVALID),
    ("objects", lambda bundle: store(bundle / "creators/columns/followers.npy", np.array([{}] * 4)), UNSAFE),
    ("no table.json", lambda bundle: (bundle / "creators/table.json").unlink(), MISMATCH),
    ("table.json is no JSON", lambda bundle: (bundle / "creators/table.json").write_bytes(b"{"), INVALID),
    ("no column", lambda bundle: (bundle / "users/columns/age.npy").unlink(), MISMATCH),
    ("no users", lambda bundle: shutil.rmtree(bundle / "users"), INVALID),
]


@pytest.mark.parametrize(("do", "reason"), [pytest.param(*case, id=name) for name, *case in BROKEN_STRUCTURE])
def test_arrays_of_another_structure_are_refused_when_opened(bundle, do, reason):
    do(bundle)
    with pytest.raises(ArtifactError) as caught:
        open_bundle(bundle)
    assert caught.value.reason is reason, caught.value


@pytest.mark.parametrize("field", ["creator_count", "user_count", "dimension_count"])
def test_tables_that_disagree_with_the_manifest_are_refused(bundle, field):
    path = bundle / "manifest.json"
    manifest, _ = read_manifest(bundle)
    value = getattr(manifest, field)
    path.write_bytes(path.read_bytes().replace(f'"{field}": {value}'.encode(), f'"{field}": {value + 1}'.encode()))
    with pytest.raises(ArtifactError, match=f"states {field} = {value + 1}"):
        open_bundle(bundle)


def test_everything_that_is_opened_is_read_only_and_mapped(bundle):
    creators = open_creators(bundle)
    assert creators.ids_of(np.arange(4)) == IDS
    for array in (creators.ids, creators.id_order, creators.embeddings, creators.columns["followers"].values):
        assert not array.flags.writeable
        assert not array.flags.owndata


def test_a_manifest_that_was_changed_since_is_refused_whatever_it_says(bundle):
    path = bundle / "manifest.json"
    whole = path.read_bytes()
    for before, after in ((b'"version": "v1"', b'"version": "v2"'), (b'"recall": 0.97', b'"recall": 0.98'), (b'"kind": "hnsw"', b'"kind": "flat"')):
        assert before in whole
        path.write_bytes(whole.replace(before, after, 1))
        with pytest.raises(ArtifactError, match="was changed") as caught:
            check_files(bundle, read_manifest(bundle)[0], Silent())
        assert caught.value.reason is ArtifactReason.MANIFEST_INVALID
    path.write_bytes(whole.replace(b"{", b'{"note": "mine",', 1))
    check_files(bundle, read_manifest(bundle)[0], Silent())  # keys that nobody knows may be added


def test_ids_that_cannot_be_sent_are_refused(bundle):
    for ids in (put(1, b"\xff"), put(1, b"\xc3")):
        edit("creators/ids.npy", ids)(bundle)
        values = np.load(bundle / "creators/ids.npy")
        order = np.argsort(values)
        store(bundle / "creators/id_order.npy", order)
        store(bundle / "creators/id_ranks.npy", np.argsort(order))
        with pytest.raises(ArtifactError, match="UTF-8"):
            check_tables(open_bundle(bundle))
