"""HTML that cannot be forgotten to escape: whatever is no Markup is text. Names of creators, columns and files are strangers' text."""

from __future__ import annotations

import re
from html import escape

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")  # HTML has no way to write these
_DIRECTIONS = re.compile("[\u202a-\u202e\u2066-\u2069]")  # would turn the text around them


class Markup(str):
    """Finished HTML. Only `tag` and `text` make it."""

    __slots__ = ()


Content = Markup | str | int


def text(content: Content) -> Markup:
    """Content as HTML: Markup as it is, all else escaped, for elements and quoted attributes alike."""
    if isinstance(content, Markup):
        return content
    return Markup(escape(_DIRECTIONS.sub("", _FORBIDDEN.sub("\ufffd", str(content)))))


def join(parts: list[Markup]) -> Markup:
    """One after the other."""
    return Markup("".join(parts))


def tag(name: str, /, *content: Content, **attributes: Content | None) -> Markup:
    """An element. Attributes with None are left out; `class_` is class, `view_box` viewBox, other underscores are hyphens."""
    named = "".join(f' {_attribute(key)}="{text(value)}"' for key, value in attributes.items() if value is not None)
    if name in _VOID:
        return Markup(f"<{name}{named}>")
    return Markup(f"<{name}{named}>{''.join(map(text, content))}</{name}>")


_VOID = frozenset({"meta"})


def _attribute(key: str) -> str:
    return {"view_box": "viewBox"}.get(key, key.rstrip("_").replace("_", "-"))
