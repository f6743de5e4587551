"""Text that becomes HTML, numbers that become words, and pictures."""

from html.parser import HTMLParser

import numpy as np
import pytest

from bundle.distribution import distribution
from cli.report.markup import tag, text
from cli.report.plots import Curve, bar, curve, histogram
from cli.report.words import day, share, short, size


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", '" onload="alert(1)', "a & b", "'><img src=x onerror=alert(1)>"])
def test_text_comes_back_as_it_was_and_as_nothing_else(hostile):
    class Reader(HTMLParser):
        seen, texts = [], []

        def handle_starttag(self, name, attributes):
            self.seen = [*self.seen, (name, dict(attributes))]

        def handle_data(self, data):
            self.texts = [*self.texts, data]

    reader = Reader()
    reader.feed(tag("p", hostile, title=hostile))
    reader.close()
    assert reader.seen == [("p", {"title": hostile})]
    assert "".join(reader.texts) == hostile


def test_finished_html_is_not_escaped_twice():
    assert tag("p", tag("b", "a & b")) == "<p><b>a &amp; b</b></p>"


@pytest.mark.parametrize(("raw", "shown"), [("a\x00b\x1b", "a\ufffdb\ufffd"), ("\u202eevil\u2066", "evil"), ("Åsa 音楽", "Åsa 音楽")])
def test_characters_that_break_or_turn_a_page_do_not_reach_it(raw, shown):
    assert text(raw) == shown


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (short(1_234_567.0), "1.23M"),
        (short(0.01234), "0.0123"),
        (short(float("nan")), "-"),
        (short(-2500.0), "-2.5k"),
        (short(1e300), "1.00e+300"),
        (size(999), "999 B"),
        (size(4_212_506), "4.2 MB"),
        (share(0, 0), "-"),
        (share(1, 1_000_000), "< 0.1 %"),
        (share(999_999, 1_000_000), "> 99.9 %"),
        (share(1, 4), "25.0 %"),
        (day(1_700_000_000), "2023-11-14"),
        (day(-1e30), "-1.00e+30"),
    ],
)
def test_numbers_as_people_read_them(made, wanted):
    assert made == wanted


@pytest.mark.parametrize("values", [[1.0], [0, 1], list(range(1000)), [1, 2, 10**9], [-1e308, 1e308], [5e-324, 1.0]])
def test_a_histogram_of_anything_stays_inside_its_picture_and_says_its_range(values):
    spread = distribution(np.array(values))
    picture = histogram(spread, "followers")
    assert 'role="img"' in picture
    assert f"followers: {short(spread.least)} to {short(spread.most)}" in picture
    assert "nan" not in picture
    assert "inf" not in picture
    assert picture.count("<rect") == sum(count > 0 for count in spread.counts)


@pytest.mark.parametrize("points", [[(200, 0.99)], [(100, 0.9), (200, 0.9)], [(100, 0.8), (101, 0.81), (400, 0.95), (5000, 1.0)]])
def test_a_curve_of_one_point_or_many_names_its_points_and_the_effort_that_is_served(points):
    picture = curve(Curve("Recall", points, points[-1][0], lambda value: f"{value:.4f}", 0.95))
    assert picture.count("<circle") == len(points)
    assert f"served: {short(points[-1][0])}" in picture
    assert "asked for: 0.9500" in picture
    assert all(f"{value:.4f} at {short(effort)}" in picture for effort, value in points)


@pytest.mark.parametrize("part", [-1.0, 0.0, 0.5, 7.0])
def test_a_bar_never_leaves_its_cell(part):
    assert f'width="{100 * min(1.0, max(0.0, part)):.2f}"' in bar(part)
