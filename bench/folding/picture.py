"""`python -m bench.folding.picture RANKER FILE.svg`: draws a folded ranker of a bundle (its folder, rankers/default) before and after.

Every box is a step, every line a tensor. The columns say when a step runs: at the build, once per request, or for every candidate.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

import onnx
from onnx import GraphProto, NodeProto

from ranking.bound import Binding
from ranking.plan import BINDING_FILE, CREATOR_FILE, EXPORTED_FILE, SERVED_FILE

BUILD, REQUEST, CANDIDATE = "at the build, per creator", "once per request", "for every candidate"
COLOURS = {BUILD: "#cfe8cf", REQUEST: "#cfdcf2", CANDIDATE: "#f6d5c3"}
BOX_WIDTH, BOX_HEIGHT, GAP = 96, 24, 10
HIDDEN = frozenset({"Constant", "Shape", "Identity"})  # they compute nothing


@dataclass(frozen=True)
class Box:
    """One step. key: the names that it makes; reads: the keys that it takes."""

    text: str
    lane: str
    makes: tuple[str, ...]
    reads: tuple[str, ...]


def before(directory: Path) -> list[Box]:
    """The exported model: its inputs are assembled for every candidate, and so is all that follows."""
    binding = _binding(directory)
    graph = onnx.load(directory / EXPORTED_FILE, load_external_data=False).graph
    lanes = {one.name: REQUEST if one.per == "request" else CANDIDATE for one in binding.inputs}
    boxes = [Box(f"{one.name} [n]" if one.per == "candidate" else one.name, lanes[one.name], (one.name,), ()) for one in binding.inputs]
    return [*boxes, *_steps(graph, lanes)[0]]


def after(directory: Path) -> list[Box]:
    """The creators' part in front of its table, and the served graph."""
    part = onnx.load(directory / CREATOR_FILE, load_external_data=False).graph
    served = onnx.load(directory / SERVED_FILE, load_external_data=False).graph
    inputs = {one.name: BUILD for one in part.input}
    steps, made = _steps(part, dict(inputs))
    boxes = [Box("columns", BUILD, (name,), ()) for name in inputs] + steps
    tables = {one.name for one in part.output}
    lanes = {one.name: _lane_of_input(one.name, tables) for one in served.input}
    boxes += [Box("table", lanes[name], (f"table of {name}",), (made[name],)) for name in sorted(tables)]
    boxes += [Box(name.rpartition("/")[2] if "/request/" not in name else "user, context", lane, (name,), ()) for name, lane in lanes.items()
              if name not in tables and not name.endswith(("/top_count", "/weights"))]  # fmt: skip
    return boxes + [_from_table(box, tables) for box in _steps(served, lanes)[0]]


def _lane_of_input(name: str, tables: Iterable[str]) -> str:
    if name in tables or "/table/" in name:
        return BUILD
    return CANDIDATE if name.endswith(("/rows", "/similarities")) else REQUEST


def _from_table(box: Box, tables: set[str]) -> Box:
    return Box(box.text, box.lane, box.makes, tuple(f"table of {name}" if name in tables else name for name in box.reads))


def _binding(directory: Path) -> Binding:

    return Binding.from_json(json.loads((directory / BINDING_FILE).read_bytes()))


def _steps(graph: GraphProto, lanes: dict[str, str]) -> tuple[list[Box], dict[str, str]]:
    """(the nodes that compute something, each in the latest lane of what it reads; by every name the box that makes it)."""
    order = [BUILD, REQUEST, CANDIDATE]
    source = {name: name for name in lanes}
    boxes = []
    for node in graph.node:
        reads = [source[name] for name in node.input if name in source]
        lane = max((lanes[name] for name in node.input if name in lanes), key=order.index, default=REQUEST)
        lane = CANDIDATE if node.op_type == "Gather" and any(name.endswith("/rows") for name in node.input) else lane
        lanes.update(dict.fromkeys(node.output, lane))
        if node.op_type in HIDDEN or not reads:
            source.update(dict.fromkeys(node.output, reads[0]) if reads and node.op_type != "Shape" else {})
            continue
        source.update(dict.fromkeys(node.output, node.output[0]))
        boxes.append(Box(_text(node, graph), lane, (node.output[0],), tuple(dict.fromkeys(reads))))
    return boxes, source


def _text(node: NodeProto, graph: GraphProto) -> str:
    widths = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    shapes = [widths[name] for name in node.input if len(widths.get(name, ())) == 2]
    return f"{node.op_type} {shapes[0][0]}x{shapes[0][1]}" if shapes and node.op_type in ("Gemm", "MatMul") else node.op_type


def draw(parts: Mapping[str, list[Box]]) -> str:
    """The parts below each other, as SVG."""
    drawn, y, width = [], 0, 0
    for title, boxes in parts.items():
        body, height, wide = _part(title, boxes, y)
        drawn.append(body)
        y, width = y + height, max(width, wide)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" font-family="sans-serif" font-size="11">'
    return f'{head}\n<rect width="{width}" height="{y}" fill="#ffffff"/>\n' + "\n".join(drawn) + "\n</svg>\n"


def _part(title: str, boxes: list[Box], top: int) -> tuple[str, int, int]:
    """(elements, height, width) of one graph."""
    levels = _levels(boxes)
    rows: defaultdict[tuple[int, str], list[Box]] = defaultdict(list)
    for box in boxes:
        rows[levels[box.makes[0]], box.lane].append(box)
    widths = {lane: max((len(own) for (_, other), own in rows.items() if other == lane), default=1) * (BOX_WIDTH + GAP) + GAP for lane in COLOURS}
    starts = {lane: sum(list(widths.values())[:place]) for place, lane in enumerate(widths)}
    pitch, first = BOX_HEIGHT + 2 * GAP, top + 44
    height = 44 + (max(levels.values()) + 1) * pitch + GAP
    places = {}
    for (level, lane), own in rows.items():
        for place, box in enumerate(own):
            places[box.makes[0]] = (starts[lane] + GAP + place * (BOX_WIDTH + GAP), first + level * pitch)
    lines = [f'<text x="{GAP}" y="{top + 16}" font-weight="bold">{escape(title)}</text>']
    for lane, start in starts.items():
        lines.append(f'<rect x="{start}" y="{top + 22}" width="{widths[lane]}" height="{height - 22}" fill="{COLOURS[lane]}" fill-opacity="0.35"/>')
        lines.append(f'<text x="{start + GAP}" y="{top + 36}">{lane}</text>')
    for box in boxes:
        lines += [_line(places[name], places[box.makes[0]]) for name in box.reads if name in places]
    lines += [_box(box, *places[box.makes[0]]) for box in boxes]
    return "\n".join(lines), height, sum(widths.values())


def _levels(boxes: list[Box]) -> dict[str, int]:
    """How many steps lie in front of each box at most. Boxes come in the order of computing."""
    levels: dict[str, int] = {}
    for box in boxes:
        levels[box.makes[0]] = max((levels[name] + 1 for name in box.reads if name in levels), default=0)
    return levels


def _line(start: tuple[int, int], end: tuple[int, int]) -> str:
    x1, y1, x2, y2 = start[0] + BOX_WIDTH // 2, start[1] + BOX_HEIGHT, end[0] + BOX_WIDTH // 2, end[1]
    return f'<path d="M{x1} {y1} C{x1} {y1 + 12} {x2} {y2 - 12} {x2} {y2}" fill="none" stroke="#888888"/>'


def _box(box: Box, x: int, y: int) -> str:
    rect = f'<rect x="{x}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="3" fill="{COLOURS[box.lane]}" stroke="#666666"/>'
    return f'{rect}<text x="{x + BOX_WIDTH // 2}" y="{y + 16}" text-anchor="middle">{escape(box.text)}</text>'


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(prog="python -m bench.folding.picture", description=__doc__)
    parser.add_argument("ranker", type=Path, help="the folder of a folded ranker: BUNDLE/rankers/default")
    parser.add_argument("out", type=Path, help="the SVG file to write")
    told = parser.parse_args()
    parts = {"As exported: everything for every candidate": before(told.ranker), "Folded: the same scores": after(told.ranker)}
    told.out.write_text(draw(parts), encoding="utf-8")
    print(f"wrote {told.out}")


if __name__ == "__main__":
    main()
