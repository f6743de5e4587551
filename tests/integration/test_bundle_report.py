"""`earshot inspect --html`: one page, whole, offline, and safe whatever a team's names look like."""

from html.parser import HTMLParser

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domain.progress import SILENT
from engine.build import BuildOptions, build
from tests.integration.server_process import run_command
from tests.worlds import clustered, mlp

HOSTILE = "<script>alert('1')</script><img src=x onerror=alert(1)>\" onload=\"x&amp;"
MANY = 300
VOID = {"meta", "br"}


class Page(HTMLParser):
    """The elements and texts of a page. Raises AssertionError for one that is not closed where it must be."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self._open = [], [], []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, name, attributes):
        self.elements.append((name, dict(attributes)))
        if name not in VOID:
            self._open.append(name)

    def handle_endtag(self, name):
        assert self._open.pop() == name

    def handle_data(self, data):
        self.texts.append(data)

    def names(self):
        return {name for name, _ in self.elements}


@pytest.fixture(scope="module")
def hostile_bundle(tmp_path_factory):
    """Every text that a team can choose is hostile: tiers, markets, labels, categories, the version, the model's inputs and its producer."""
    directory, rng = tmp_path_factory.mktemp("hostile"), np.random.default_rng(3)
    vectors = clustered(MANY, 8, rng)
    columns = {
        "creator_id": [f"{HOSTILE[:40]}{i}" for i in range(MANY)],
        "embedding": pa.array(list(vectors), pa.list_(pa.float32())),
        "name": [HOSTILE] * MANY,
        "tier": [HOSTILE if i % 2 else "emerging" for i in range(MANY)],
        "markets": pa.array([[HOSTILE] if i % 2 else None for i in range(MANY)], pa.list_(pa.string())),
        "labels": pa.array([[HOSTILE]] * MANY),
        "genre": [HOSTILE if i % 3 else "folk" for i in range(MANY)],
        "note": [HOSTILE] * MANY,
    }
    pq.write_table(pa.table(columns), directory / "creators.parquet")
    model = mlp({HOSTILE: 17}, [4], rng)
    model.producer_name = HOSTILE
    onnx.save(model, directory / "ranker.onnx")
    quoted = HOSTILE.replace('"', '\\"')
    (directory / "binding.toml").write_text(
        f"""version = 1
output = "score"
[inputs."{quoted}"]
per = "candidate"
columns = ["user.embedding", "creator.embedding", "creator.genre"]
[vocabularies]
"creator.genre" = {{ values = ["folk", "{quoted}"] }}
[defaults]
"creator.genre" = "{quoted}"
"""
    )
    files = {"creators": directory / "creators.parquet", "ranker": directory / "ranker.onnx", "binding": directory / "binding.toml"}
    build(BuildOptions(**files, out=directory / "bundle", bundle_version=HOSTILE[:200], emerging_tiers=(HOSTILE,), threads=1), SILENT)
    return directory / "bundle"


def report_of(bundle, directory):
    done = run_command("inspect", str(bundle), "--html", str(directory / "report.html"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"wrote {directory / 'report.html'}: ")
    return (directory / "report.html").read_text(encoding="utf-8")


def test_no_name_of_a_team_becomes_an_element_or_an_attribute(hostile_bundle, tmp_path):
    page = Page(report_of(hostile_bundle, tmp_path))
    assert page.names() & {"script", "img", "iframe", "object", "link", "form"} == set()
    assert [name for _, attributes in page.elements for name in attributes if name.startswith("on")] == []
    read = "".join(page.texts)
    assert read.count(HOSTILE) >= 8  # version, tier, market, label, category, vocabulary, default, input, producer


def test_the_page_needs_nothing_beside_itself(demo_bundle, tmp_path):
    text = report_of(demo_bundle, tmp_path)
    page = Page(text)
    links = [attributes["href"] for _, attributes in page.elements if "href" in attributes]
    assert links
    assert all(link.startswith("#") for link in links)
    assert {link[1:] for link in links} <= {attributes.get("id") for _, attributes in page.elements}
    assert not any("src" in attributes for _, attributes in page.elements)
    assert "url(" not in text
    assert "@import" not in text
    policies = [a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies
    assert policies[0].startswith("default-src 'none'")


def test_the_page_says_what_is_in_the_bundle(demo_bundle, tmp_path):
    page = Page(report_of(demo_bundle, tmp_path))
    read = " ".join("".join(page.texts).split())
    for wanted in ("4,000", "1,500", "emerging", "instrumental", "creator.followers", "user.history", "candidates", "creator_codes", "whole"):
        assert wanted in read
    assert "16" in read
    names = {attributes.get("aria-label", "") for name, attributes in page.elements if name == "svg"}
    assert any(name.startswith("Recall at 200 candidates") for name in names)
    assert any(name.startswith("creator.followers: 1 to ") for name in names)
    assert any(name.startswith("lengths of user.history") for name in names)


def test_a_reader_for_the_blind_finds_captions_headings_and_names(demo_bundle, tmp_path):
    page = Page(report_of(demo_bundle, tmp_path))
    count = [name for name, _ in page.elements].count
    assert count("table") == count("caption")
    assert all(attributes.get("scope") in ("col", "row") for name, attributes in page.elements if name == "th")
    assert all("aria-label" in a or a.get("aria-hidden") == "true" for name, a in page.elements if name == "svg")
    assert page.elements[0] == ("html", {"lang": "en"})


def test_a_newer_report_takes_the_place_of_an_older_one(demo_bundle, tmp_path):
    (tmp_path / "report.html").write_text("old")
    assert report_of(demo_bundle, tmp_path).startswith("<!DOCTYPE html>")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_the_report_is_never_written_into_a_bundle(demo_bundle):
    refused = run_command("inspect", str(demo_bundle), "--html", str(demo_bundle / "users" / "report.html"))
    assert refused.returncode == 73
    assert "inside the bundle" in refused.stderr
    assert not (demo_bundle / "users" / "report.html").exists()


@pytest.mark.parametrize("place", ["", "no/such/folder/report.html"])
def test_a_place_that_cannot_be_written_is_refused_in_one_line(demo_bundle, tmp_path, place):
    refused = run_command("inspect", str(demo_bundle), "--html", str(tmp_path / place))
    assert (refused.returncode, refused.stderr.count("\n")) == (73, 1), refused.stderr
    assert refused.stderr.startswith("error: ")


def test_a_broken_table_is_refused_and_an_older_report_stays(hostile_bundle, tmp_path):
    report_of(hostile_bundle, tmp_path)
    tiers = hostile_bundle / "creators" / "tier.npy"
    good = tiers.read_bytes()
    tiers.write_bytes(good[:-1] + b"\xff")
    try:
        refused = run_command("inspect", str(hostile_bundle), "--html", str(tmp_path / "report.html"))
    finally:
        tiers.write_bytes(good)
    assert refused.returncode == 2
    assert "FEATURES_INVALID" in refused.stderr
    assert (tmp_path / "report.html").exists()


def test_json_and_html_are_one_or_the_other(demo_bundle, tmp_path):
    refused = run_command("inspect", str(demo_bundle), "--json", "--html", str(tmp_path / "report.html"))
    assert refused.returncode == 64
    assert "not allowed with" in refused.stderr
