"""Puts the verdict into the HTML report that locust writes, which knows nothing of thresholds."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

_BODY = "<body>"  # the last one is the page's own; others are strings in its scripts
_ICON = re.compile(r'<link rel="shortcut icon"[^>]*>\s*')  # of locust's web pages, which the report does not carry along


def with_verdict(page: str, lines: Sequence[str]) -> str:
    """The page with the lines on top, and without links to files beside it. A page without a body comes back without the lines."""
    head, body, tail = page.rpartition(_BODY)
    text = html.escape("\n".join(lines))
    verdict = f'\n    <pre style="margin: 1em; font: 14px/1.4 monospace">{text}</pre>' if body else ""
    return _ICON.sub("", head) + body + verdict + tail
