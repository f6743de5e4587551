"""The section on files: how large they are, and what of them a server holds in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from cli.report.markup import Markup, join, tag
from cli.report.plots import bar
from cli.report.tables import table
from cli.report.words import share, size

LOADED, MAPPED, EACH, START, KEPT = (
    "loaded once, shared by all workers",
    "memory-mapped, shared by all workers; pages come in as they are read",
    "read by each worker into a session of its own",
    "read at start only",
    "not read while serving",
)


def held(path: str, loaded: Collection[str]) -> str:
    """What a server does with a file of a bundle. loaded: the tables that the served rankers gather from."""
    parts = path.split("/")
    if parts[0] in ("creators", "users"):
        return START if parts[-1] == "table.json" else MAPPED
    if parts[0] == "indexes":
        return LOADED
    if parts[0] == "rankers":
        return LOADED if path in loaded else {"served.onnx": EACH, "binding.json": START}.get(parts[-1], KEPT)
    return START


def files(sizes: Mapping[str, int], loaded: Collection[str]) -> Markup:
    """What is held where, and every file. loaded: as of `held`."""
    total = sum(sizes.values())
    by_use = {use: sum(count for path, count in sizes.items() if held(path, loaded) == use) for use in (LOADED, MAPPED, EACH, START, KEPT)}
    uses = [(use, size(count), share(count, total), bar(count / total)) for use, count in by_use.items() if count]
    memory = table("What a server holds", ("how", "size", "share", ""), uses, numbers=frozenset({1, 2}))
    rows = [
        (tag("code", path), size(count), share(count, total), held(path, loaded))
        for path, count in sorted(sizes.items(), key=lambda one: (-one[1], one[0]))
    ]
    note = "Sizes are those of the files. Each process needs its interpreter and libraries besides."
    return join(
        [memory, tag("p", note, class_="soft"), table("Every file", ("file", "size", "share", "while serving"), rows, numbers=frozenset({1, 2}))]
    )
