"""A page that works offline: sections under headings, with links to them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

from cli.report.markup import Markup, join, tag

# Nothing is loaded from anywhere, and nothing runs, whatever a name in the data says.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def document(title: str, top: Sequence[Markup], sections: Sequence[tuple[str, str, Markup]]) -> str:
    """One HTML document. top: what stands between title and links; sections: (id, title, content) in order."""
    links = tag("nav", tag("ul", *(tag("li", tag("a", heading, href=f"#{name}")) for name, heading, _ in sections)), aria_label="Sections")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("title", title),
        tag("style", Markup(resources.files("cli.report").joinpath("style.css").read_text(encoding="utf-8"))),
    )
    parts = [
        tag("section", tag("h2", heading, id=f"{name}-title"), body, id=name, aria_labelledby=f"{name}-title") for name, heading, body in sections
    ]
    body = tag("body", tag("header", tag("h1", title), join(list(top)), links), tag("main", *parts))
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"
