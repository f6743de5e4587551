"""What no build writes into a bundle: contradictions, sizes without measure, paths that lead elsewhere, graphs that run for ever. By name."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from retrieval.hnsw_format import HEADER

MANIFEST = "manifest.json"
INDEX = "indexes/default/hnsw.bin"
RANKER = "rankers/default"
DEEP = b"[" * 200_000
HUGE = 2**62


def _in_manifest(*keys: str | int, value: Any) -> Callable[[Path], None]:
    def change(bundle: Path) -> None:
        path = bundle / MANIFEST
        values = json.loads(path.read_bytes())
        inner = values
        for key in keys[:-1]:
            inner = inner[key]
        if callable(value):
            inner[keys[-1]] = value(inner[keys[-1]])
        else:
            inner[keys[-1]] = value
        path.write_text(json.dumps(values))

    return change


def _in_array(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    def save(bundle: Path) -> None:
        changed = change(np.load(bundle / name))
        (bundle / name).unlink()
        np.save(bundle / name, changed, allow_pickle=True)

    return save


def _put(place: Any, value: Any) -> Callable[[np.ndarray], np.ndarray]:
    def change(values: np.ndarray) -> np.ndarray:
        values[place] = value
        return values

    return change


def _written(name: str, content: bytes) -> Callable[[Path], None]:
    def write(bundle: Path) -> None:
        (bundle / name).write_bytes(content)

    return write


def _header(name: str, shape: str, descr: str = "<f4", size: int = 64) -> Callable[[Path], None]:
    """An array file whose header promises what the file does not hold."""

    def write(bundle: Path) -> None:
        text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
        text += b" " * (-(len(text) + 11) % 64) + b"\n"
        (bundle / name).write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(size))

    return write


def _index_header(**values: Any) -> Callable[[Path], None]:
    def change(bundle: Path) -> None:
        data = (bundle / INDEX).read_bytes()
        header = np.frombuffer(data[: HEADER.itemsize], HEADER).copy()
        for name, value in values.items():
            header[name] = value
        (bundle / INDEX).write_bytes(header.tobytes() + data[HEADER.itemsize :])

    return change


def _graph(*nodes: Any, external: str = "", domain: str = "") -> Callable[[Path], None]:
    """A served graph of nodes in front of nothing, in the place of the real one."""

    def write(bundle: Path) -> None:
        shape = helper.make_tensor("big", TensorProto.INT64, [2], [10**6, 10**5])
        if external:
            shape.ClearField("int64_data")
            shape.data_location = TensorProto.EXTERNAL
            for key, value in (("location", external), ("offset", "0"), ("length", "16")):
                entry = shape.external_data.add()
                entry.key, entry.value = key, value
        output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
        model = helper.make_model(
            helper.make_graph(list(nodes), "g", [], [output], [shape]), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
        )
        if domain:
            model.opset_import.append(helper.make_opsetid(domain, 1))
        (bundle / RANKER / "served.onnx").write_bytes(model.SerializeToString())

    return write


def _loop() -> Any:
    body = helper.make_graph([], "body", [], [helper.make_tensor_value_info("c", TensorProto.BOOL, [])])
    return helper.make_node("Loop", ["", ""], ["y"], body=body)


def _between_scores(*nodes: Any, **constants: np.ndarray) -> Callable[[Path], None]:
    """The real served graph with nodes that take "before" and give "after" in the way of its scores."""

    def change(bundle: Path) -> None:
        path = bundle / RANKER / "served.onnx"
        model = onnx.load_from_string(path.read_bytes())
        scores = model.graph.output[0].name
        last = next(node for node in model.graph.node if scores in node.output)
        last.output[list(last.output).index(scores)] = "before"
        for node in model.graph.node:
            node.input[:] = ["before" if name == scores else name for name in node.input]
        model.graph.node.extend([*nodes, helper.make_node("Identity", ["after"], [scores])])
        model.graph.initializer.extend(numpy_helper.from_array(values, name) for name, values in constants.items())
        path.write_bytes(model.SerializeToString())

    return change


def _for_ever() -> Any:
    names = (("n", TensorProto.INT64, []), ("go", TensorProto.BOOL, []), ("x", TensorProto.FLOAT, None))
    inputs = [helper.make_tensor_value_info(*value) for value in names]
    outputs = [helper.make_tensor_value_info("go_on", TensorProto.BOOL, []), helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    body = helper.make_graph([helper.make_node("Identity", ["go"], ["go_on"]), helper.make_node("Identity", ["x"], ["y"])], "body", inputs, outputs)
    return helper.make_node("Loop", ["", "true", "before"], ["after"], body=body)


_TABLE = ("rankers", "default", "tables", 0)
_REQUEST = ("rankers", "default", "requests", 0)
_INDEX = ("indexes", "default")

HOSTILE: dict[str, Callable[[Path], None]] = {
    "no manifest": lambda bundle: (bundle / MANIFEST).unlink(),
    "manifest nested deeply": _written(MANIFEST, b'{"format": ' + DEEP),
    "manifest of a huge number": _written(MANIFEST, b'{"format": ' + b"9" * 10_000 + b"}"),
    "manifest of format 2": _in_manifest("format", value=2),
    "manifest that requires more": _in_manifest("requires", value=["live"]),
    "more creators": _in_manifest("creator_count", value=lambda n: n + 1),
    "fewer dimensions": _in_manifest("dimension_count", value=lambda n: n - 1),
    "another space": _in_manifest("space", value="ip"),
    "more candidates than can be asked": _in_manifest("candidate_count", value=10**30),
    "a profile of no index": _in_manifest("profiles", "default", "index", value="none"),
    "an objective of no head": _in_manifest("profiles", "default", "objective", value={"x": 1.0}),
    "a profile that cannot be named": _in_manifest("profiles", "\ud800", value={"index": "default", "ranker": "default", "objective": {}}),
    "an index elsewhere": _in_manifest("indexes", value={"../../x": {}}),
    "an index of another count": _in_manifest(*_INDEX, "count", value=lambda n: n - 1),
    "an index of huge M": _in_manifest(*_INDEX, "m", value=2**31 - 1),
    "an index of huge padding": _in_manifest(*_INDEX, "padded_dimension_count", value=2**31 - 1),
    "an index of many copies": _in_manifest(*_INDEX, "copy_count", value=5),
    "an index of a text": _in_manifest(*_INDEX, "ef", value="many"),
    "a table elsewhere": _in_manifest(*_TABLE, "file", value="../../../../../etc/hostname"),
    "a table of objects": _in_manifest(*_TABLE, "dtype", value="O"),
    "a table of nothing known": _in_manifest(*_TABLE, "dtype", value="S999999999"),
    "a table without end": _in_manifest(*_TABLE, "shape", value=[HUGE, 4]),
    "a table of texts": _in_manifest(*_TABLE, "shape", value=["a"]),
    "a ranker of no form": _in_manifest("rankers", "default", "form", value="forged"),
    "a ranker without inputs": _in_manifest("rankers", "default", "requests", value=[]),
    "an input without end": _in_manifest(*_REQUEST, "shape", value=[1, 2**39]),
    "a column without end": _in_manifest(*_REQUEST, "columns", 0, "width", value=2**39),
    "a column of objects": _in_manifest(*_REQUEST, "columns", 0, "spec", "dtype", value="object"),
    "an input of objects": _in_manifest(*_REQUEST, "dtype", value="object"),
    "an input of another name": _in_manifest(*_REQUEST, "name", value="other"),
    "a sequence without end": _in_manifest(*_REQUEST, "length", value=2**39),
    "no table": lambda bundle: (bundle / RANKER / "tables" / "0.npy").unlink(),
    "table cut": lambda bundle: os.truncate(bundle / RANKER / "tables" / "0.npy", 200),
    "table of a huge header": _header(f"{RANKER}/tables/0.npy", f"({HUGE}, 4)"),
    "table of objects that are pickled": _in_array(f"{RANKER}/tables/0.npy", lambda v: np.array([{}], object)),
    "table that is an archive": _written(f"{RANKER}/tables/0.npy", b"PK\x05\x06" + bytes(18)),
    "table header nested deeply": _written(f"{RANKER}/tables/0.npy", b"\x93NUMPY\x01\x00\x00\x20" + b"(" * 8192),
    "binding that is no JSON": _written(f"{RANKER}/binding.json", b"{"),
    "binding nested deeply": _written(f"{RANKER}/binding.json", DEEP),
    "binding of another shape": _written(f"{RANKER}/binding.json", b'{"inputs": [], "vocabularies": [], "defaults": 1}'),
    "no binding": lambda bundle: (bundle / RANKER / "binding.json").unlink(),
    "graph empty": _written(f"{RANKER}/served.onnx", b""),
    "graph random": _written(f"{RANKER}/served.onnx", np.random.default_rng(0).bytes(5000)),
    "graph cut": lambda bundle: os.truncate(bundle / RANKER / "served.onnx", 300),
    "graph as exported": lambda bundle: shutil.copyfile(bundle / RANKER / "ranker.onnx", bundle / RANKER / "served.onnx") and None,
    "no graph": lambda bundle: (bundle / RANKER / "served.onnx").unlink(),
    "graph with a loop": _graph(_loop()),
    "graph of 400 GB": _graph(helper.make_node("ConstantOfShape", ["big"], ["y"])),
    "graph of foreign operators": _graph(helper.make_node("Run", ["big"], ["y"], domain="evil"), domain="evil"),
    "graph with weights in /etc": _graph(helper.make_node("Identity", ["big"], ["y"]), external="../../../../../../etc/hostname"),
    "graph with weights at /": _graph(helper.make_node("Identity", ["big"], ["y"]), external="/etc/hostname"),
    "graph that runs for ever": _between_scores(_for_ever(), true=np.array(True)),
    "graph of 400 GB that are computed": _between_scores(
        helper.make_node("Mul", ["million", "tenth"], ["length"]),
        helper.make_node("ConstantOfShape", ["length"], ["big"]),
        helper.make_node("ReduceMax", ["big"], ["most"], keepdims=0),
        helper.make_node("Add", ["before", "most"], ["after"]),
        million=np.array([10**6]),
        tenth=np.array([10**5]),
    ),
    "golden empty": _written("golden.jsonl", b""),
    "golden of no JSON": _written("golden.jsonl", b"\xff\xfe"),
    "golden nested deeply": _written("golden.jsonl", DEEP),
    "golden of other types": _written("golden.jsonl", b'{"request": {"request_id": 1, "embeddings": []}, "slate": 5}'),
    "no golden": lambda bundle: (bundle / "golden.jsonl").unlink(),
    "table.json nested deeply": _written("creators/table.json", DEEP),
    "table.json of huge counts": _written(
        "creators/table.json", b'{"count": 1' + b"0" * 3000 + b', "dimension_count": 4, "columns": [], "kept": [], "has": []}'
    ),
    "table.json that asks for another file": lambda bundle: _in_table(bundle, "columns", [_spec("../../x")]),
    "embeddings of a huge header": _header("creators/embeddings.npy", f"({HUGE}, {HUGE})"),
    "embeddings of objects": _header("creators/embeddings.npy", "(4, 4)", "|O"),
    "embeddings not finite": _in_array("creators/embeddings.npy", _put((3, 1), np.nan)),
    "embeddings big-endian": _in_array("creators/embeddings.npy", lambda v: v.astype(">f4")),
    "embeddings by columns": _in_array("creators/embeddings.npy", np.asfortranarray),
    "embeddings of other creators": _in_array("creators/embeddings.npy", lambda v: v[::-1].copy()),
    "norms of others": _in_array("creators/norms.npy", lambda v: v * 2),
    "ids in no order": _in_array("creators/ids.npy", lambda v: v[::-1].copy()),
    "ids that are no text": _in_array("creators/ids.npy", _put(0, b"\xff\xfe")),
    "order out of range": _in_array("creators/id_order.npy", _put(0, HUGE)),
    "ranks negative": _in_array("creators/id_ranks.npy", _put(0, -1)),
    "history of nobody": _in_array("users/columns/history.npy", _put(0, HUGE)),
    "history that ends early": _in_array("users/columns/history.offsets.npy", _put(-1, 1)),
    "history that goes back": _in_array("users/columns/history.offsets.npy", _put(1, -HUGE)),
    "tiers that are none": _in_array("creators/tier.npy", _put(0, 200)),
    "markets of nobody": _in_array("creators/market_rows.npy", _put(0, HUGE)),
    "index empty": _written(INDEX, b""),
    "index random": _written(INDEX, np.random.default_rng(1).bytes(20_000)),
    "no index": lambda bundle: (bundle / INDEX).unlink(),
    "index of too many": _index_header(count=2**40, max_elements=2**40),
    "index without room": _index_header(max_elements=1),
    "index that begins nowhere": _index_header(entry_point=2**32 - 1),
    "index of too many levels": _index_header(max_level=2**30),
    "index of negative levels": _index_header(max_level=-1),
    "index of other offsets": _index_header(label_offset=2**40),
    "index of other elements": _index_header(element_size=1),
    "index of another M": _index_header(m=3, max_m=3, max_m0=6),
    "copies that are none": lambda bundle: _copies(bundle, np.array([[0, 0], [1, 1]])),
    "copies of nobody": lambda bundle: _copies(bundle, np.array([[HUGE], [1]])),
}


def _spec(name: str) -> dict[str, Any]:
    return {"name": name, "kind": "scalar", "dtype": "float32", "width": 1, "meaning": "number"}


def _in_table(bundle: Path, field: str, value: Any) -> None:
    path = bundle / "creators" / "table.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), field: value}))


def _copies(bundle: Path, pairs: np.ndarray) -> None:
    np.save(bundle / "indexes/default/copies.npy", pairs)
    _in_manifest(*_INDEX, "copy_count", value=pairs.shape[1])(bundle)
