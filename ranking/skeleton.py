"""A binding to paste and fill in, for a model that came without one."""

from __future__ import annotations

import json

from ranking.signature import Signature, TensorInput


def binding_skeleton(signature: Signature) -> str:
    """TOML that binds every input of the model to placeholder columns. Its comments say what must add up."""
    outputs = [o for o in signature.outputs if o.kind == "tensor"]
    chosen = json.dumps(outputs[-1].name if outputs else "score")
    known = ", ".join(f"{o.name} ({o.kind})" for o in signature.outputs)
    head = f"version = 1\noutput = {chosen}    # the model's outputs: {known}\n"
    return head + "".join(_input(one) for one in signature.inputs)


def _input(one: TensorInput) -> str:
    per_request = bool(one.dims) and one.dims[0] == 1
    width = one.dims[-1] if len(one.dims) > 1 else 1
    wide = "" if width is None else f"; the widths of the columns must add up to {width}"
    lines = [
        f"\n[inputs.{json.dumps(one.name)}]    # {one.dtype} {one.shape_text}{wide}",
        'per = "request"' if per_request else 'per = "candidate"    # one row per candidate; "request": one row per request',
        f"columns = {_columns(per_request, width)}",
    ]
    if len(one.dims) == 3:
        lines.append(f"length = {one.dims[1] or 50}")
    return "\n".join(lines) + "\n"


def _columns(per_request: bool, width: int | None) -> str:
    if per_request:
        return '["user.my_column"]' if width == 1 else '["user.embedding"]'
    return '["creator.my_column"]' if width == 1 else '["user.embedding", "creator.embedding", "creator.my_column"]'
