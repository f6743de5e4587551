"""The verdict in the HTML report."""

from html.parser import HTMLParser

from loadtest.report import with_verdict

_PAGE = """<!DOCTYPE html>
<html><head>
    <link rel="shortcut icon" href="../../assets/a.png" media="(prefers-color-scheme: light)">
    <script>var b = '<body style="x">', c = "<body>";</script>
  </head>
  <body>
    <div id="root"></div>
  </body></html>"""


class _Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data if self.tags[-1:] == ["pre"] else ""


def test_the_lines_stand_on_top_of_the_page_as_text() -> None:
    seen = _Seen()
    seen.feed(with_verdict(_PAGE, ["MISSED p95", "<script>alert(1)</script> & more"]))
    assert seen.tags == ["html", "head", "script", "body", "pre", "div"]
    assert seen.text.startswith("MISSED p95\n<script>alert(1)</script> & more")


def test_a_page_of_another_form_is_left_as_it_is() -> None:
    assert with_verdict("<html></html>", ["met"]) == "<html></html>"
