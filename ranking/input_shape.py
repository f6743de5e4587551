"""Which shape an input is fed with, and whether the model takes it."""

from __future__ import annotations

from collections.abc import Sequence

from ranking.signature import TensorInput

Widths = Sequence[tuple[str, int]]
"""Columns as written, with the elements that each adds."""


def served_shape(one: TensorInput, per: str, length: int, widths: Widths) -> tuple[int, ...]:
    """The shape that `one` gets; -1 stands for the candidates. length: entries of its sequences, 0 for none.

    Raises ValueError, saying what to do, when the model takes no such shape.
    """
    width = sum(w for _, w in widths)
    if per == "candidate":
        return _per_candidate(one, length, width, widths)
    return _per_request(one, length, width, widths)


def _per_candidate(one: TensorInput, length: int, width: int, widths: Widths) -> tuple[int, ...]:
    named = f'input "{one.name}" {one.shape_text}'
    tail: tuple[int, ...] = (length, width) if length else (width,)
    if not one.dims or len(one.dims) > len(tail) + 1 or len(one.dims) < len(tail):
        shapes = "[n, length, w], or [n, length] where w = 1" if length else "[n, w], or [n] where w = 1"
        raise ValueError(f"{named} has the wrong rank for {_columns(widths)}; a candidate input is {shapes}")
    if one.dims[0] is not None:
        hint = 'or bind it with per = "request"' if one.dims[0] == 1 else "so that any number of candidates fits"
        raise ValueError(f"{named} has a fixed batch of {one.dims[0]}; export the model with a dynamic first axis, {hint}")
    if len(one.dims) == len(tail):
        if width != 1:
            raise ValueError(f"{named} takes one number per {'entry' if length else 'candidate'}, but {_columns(widths)} add up to {width}; bind one")
        tail = tail[:-1]
    _check_tail(one, tail, one.dims[1:], length, widths)
    return (-1, *tail)


def _per_request(one: TensorInput, length: int, width: int, widths: Widths) -> tuple[int, ...]:
    possible: list[tuple[int, ...]] = [(1, length, width), (length, width)] if length else [(1, width)]
    if width == 1:
        possible += [(1, length), (length,)] if length else [(1,), ()]
    elif not length:
        possible.append((width,))
    ranked = [s for s in possible if len(s) == len(one.dims)]
    fitting = [s for s in ranked if all(d in (None, e) for d, e in zip(one.dims, s, strict=True))]
    if fitting:
        return fitting[-1]  # [1, length] rather than [length, 1] where both would do
    named = f'input "{one.name}" {one.shape_text}'
    if len(one.dims) > 1 and one.dims[0] not in (None, 1) and not length:
        raise ValueError(
            f"{named} has a fixed batch of {one.dims[0]}, but there is one row per request; export it with 1 row or a dynamic first axis"
        )
    fed = " or ".join(str(list(s)) for s in ranked or possible)
    entries = f" with length = {length}" if length else ""
    raise ValueError(
        f"{named} is not {fed}, as it would be fed once per request: {_columns(widths)} add up to {width}{entries}; add, remove or correct columns"
    )


def _check_tail(one: TensorInput, tail: tuple[int, ...], dims: tuple[int | None, ...], length: int, widths: Widths) -> None:
    """Compare what follows the first dimension."""
    named = f'input "{one.name}" {one.shape_text}'
    for position, (wanted, given) in enumerate(zip(dims, tail, strict=True)):
        if wanted in (None, given):
            continue
        if length and position == 0:
            raise ValueError(f"{named} takes {wanted} entries, but its binding says length = {length}; write length = {wanted}")
        raise ValueError(f"{named} is {wanted} wide, but its columns add up to {given}: {_columns(widths)}; add, remove or correct columns")


def _columns(widths: Widths) -> str:
    return ", ".join(f"{name} ({width})" for name, width in widths)
