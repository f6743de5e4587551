"""Turns good messages into bad ones, reproducibly: as bytes, as fields on the wire, and as values that a hostile caller would choose."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

Random = np.random.Generator
LONG = 20_000  # entries of a list, or characters of a text: above every limit of the API, and below the limit of a message

TEXTS = (
    "",
    "\0",
    "a\nb",
    "x" * 65,
    "x" * 257,
    "x" * LONG,
    "../../etc/passwd",
    "%s%n{0}${jndi:x}",
    "' OR 1=1 --",
    "\u202e\ufeff\U0010ffff",
    "default",
)
NUMBERS = (0, 1, -1, 127, 255, 501, 5001, 2**31 - 1, -(2**31), 2**32, 2**53 + 1, 2**63 - 1, -(2**63))
FLOATS = (0.0, -0.0, 1.0, float("nan"), float("inf"), float("-inf"), 1e-45, 1e-30, 3.4e38, -3.4e38, 1e300)
BAD_UTF8 = (b"\xc3\x28", b"\xff", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80")


def mutated(sample: Message, others: list[Message], random: Random) -> bytes:
    """The bytes of a message that was good, changed one to three times; `others` lend it pieces."""
    if random.random() < 0.4:
        message = type(sample)()
        message.CopyFrom(sample)
        for _ in range(int(random.integers(1, 4))):
            _set_something(message, random)
        if random.random() < 0.8:
            return message.SerializeToString()
        sample = message
    data = sample.SerializeToString()
    for _ in range(int(random.integers(1, 4))):
        change = WIRE_CHANGES[random.integers(len(WIRE_CHANGES))]
        data = change(data, random)
        if random.random() < 0.1:
            data += others[random.integers(len(others))].SerializeToString()
    return data


# ---- Values that fit their type and nothing else


def _set_something(message: Message, random: Random) -> None:
    fields = message.DESCRIPTOR.fields
    if not fields:
        return
    field = fields[random.integers(len(fields))]
    if _is_map(field):
        _set_entry(getattr(message, field.name), field, random)
    elif field.is_repeated:
        _fill(getattr(message, field.name), field, random)
    elif field.message_type is not None:
        child = getattr(message, field.name)
        child.SetInParent()
        _set_something(child, random)
    else:
        setattr(message, field.name, _hostile(field, random))


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _set_entry(entries: object, field: FieldDescriptor, random: Random) -> None:
    keys = (*list(entries)[:3], "hour", "age", "Context.x", "", "x" * 64, "x" * LONG)
    value = entries[keys[random.integers(len(keys))]]
    if random.random() < 0.9:
        _set_something(value, random)


def _fill(values: object, field: FieldDescriptor, random: Random) -> None:
    count = int((0, 1, 2, 24, 10_001)[random.integers(5)])
    if random.random() < 0.3:
        del values[:]
    if field.message_type is not None:
        for _ in range(min(count, 24)):
            _set_something(values.add(), random)
        return
    chosen = _hostile(field, random)
    values.extend([chosen if not isinstance(chosen, str) else chosen[:60]] * count)


def _hostile(field: FieldDescriptor, random: Random) -> object:
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_STRING:
        text = TEXTS[random.integers(len(TEXTS))]
        return text.encode() if field.type == FieldDescriptor.TYPE_BYTES else text
    if kind in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
        return FLOATS[random.integers(len(FLOATS))]
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return bool(random.integers(2))
    number = NUMBERS[random.integers(len(NUMBERS))]
    bits = 64 if kind in (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64) else 32
    return (number + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)


# ---- Fields on the wire


def varint(value: int) -> bytes:
    """A base-128 varint."""
    out = bytearray()
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes((*out, value))


def _read_varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value, place, shift = value | (byte & 127) << shift, place + 1, shift + 7
        if byte < 128:
            return value, place


def _fields(data: bytes) -> Iterator[bytes]:
    """The fields of a well-formed message, each with its tag; what cannot be read comes as one last piece."""
    place = 0
    while place < len(data):
        start = place
        try:
            tag, place = _read_varint(data, place)
            if tag % 8 == 0:
                _, place = _read_varint(data, place)
            elif tag % 8 == 2:
                size, place = _read_varint(data, place)
                place += size
            else:
                place += {1: 8, 5: 4}[tag % 8]
        except (IndexError, KeyError):
            place = len(data)
        yield data[start:place]


def _reorder(data: bytes, random: Random) -> bytes:
    pieces = list(_fields(data))
    random.shuffle(pieces)
    return b"".join(pieces)


def _repeat(data: bytes, random: Random) -> bytes:
    pieces = list(_fields(data)) or [b"\x0a\x00"]
    return data + pieces[random.integers(len(pieces))] * int((1, 2, 100)[random.integers(3)])


def _drop(data: bytes, random: Random) -> bytes:
    pieces = list(_fields(data))
    return b"".join(piece for piece in pieces if random.random() < 0.6)


def _retag(data: bytes, random: Random) -> bytes:
    """Other field numbers and wire types in front of the same contents."""
    return b"".join(varint(int(random.integers(0, 130))) + piece[1:] if random.random() < 0.3 else piece for piece in _fields(data))


def _go_inside(data: bytes, random: Random) -> bytes:
    """Any change to the content of one nested field, its length made right again."""
    pieces = list(_fields(data))
    nested = [i for i, piece in enumerate(pieces) if len(piece) > 2 and piece[0] % 8 == 2]
    if not nested:
        return data
    at = nested[random.integers(len(nested))]
    try:
        tag, start = _read_varint(pieces[at], 0)
        _, start = _read_varint(pieces[at], start)
    except IndexError:  # the last piece of what an earlier change broke
        return data
    inner = WIRE_CHANGES[random.integers(len(WIRE_CHANGES))](pieces[at][start:], random)
    pieces[at] = varint(tag) + varint(len(inner)) + inner
    return b"".join(pieces)


def _nest(data: bytes, random: Random) -> bytes:
    depth = int((1, 50, 99, 101, 1000, 20_000)[random.integers(6)])
    if random.random() < 0.5:
        return data + b"\x1b" * depth + b"\x1c" * depth  # groups
    number = int(random.integers(1, 7))
    for _ in range(min(depth, 2000)):
        data = varint(number * 8 + 2) + varint(len(data)) + data
    return data


def _append_hostile(data: bytes, random: Random) -> bytes:
    number = int(random.integers(1, 16)) * 8
    pieces = (
        varint(number) + b"\xff" * 9 + b"\x01",  # the largest varint
        varint(number) + b"\xff" * 11,  # longer than a varint may be
        varint(number + 2) + varint(2**31 - 1),  # a length beyond the end
        varint(number + 2) + varint(2**63),
        varint(number + 2) + b"\x02" + BAD_UTF8[random.integers(len(BAD_UTF8))].ljust(2, b"x")[:2],
        varint(number + 5) + struct.pack("<f", FLOATS[random.integers(len(FLOATS) - 1)]),
        varint(number + 1) + b"\xff" * 8,
        varint(number + 4),  # the end of a group that never began
        b"\x00\x00",  # field number zero
        varint(2**29 * 8) + b"\x01",  # a field number that cannot be
    )
    return data + pieces[random.integers(len(pieces))]


# ---- Bytes


def _flip(data: bytes, random: Random) -> bytes:
    out = bytearray(data or b"\0")
    for _ in range(int(random.integers(1, 9))):
        out[random.integers(len(out))] ^= 1 << int(random.integers(8))
    return bytes(out)


def _overwrite(data: bytes, random: Random) -> bytes:
    out = bytearray(data or b"\0")
    out[random.integers(len(out))] = (0, 1, 0x7F, 0x80, 0xFF)[random.integers(5)]
    return bytes(out)


def _cut(data: bytes, random: Random) -> bytes:
    return data[: random.integers(len(data) + 1)]


def _insert(data: bytes, random: Random) -> bytes:
    place = int(random.integers(len(data) + 1))
    return data[:place] + random.bytes(int(random.integers(1, 20))) + data[place:]


def _remove(data: bytes, random: Random) -> bytes:
    place = int(random.integers(len(data) + 1))
    return data[:place] + data[place + int(random.integers(1, 20)) :]


def _spoil_text(data: bytes, random: Random) -> bytes:
    place = int(random.integers(len(data) + 1))
    bad = BAD_UTF8[random.integers(len(BAD_UTF8))]
    return data[:place] + bad + data[place + len(bad) :]


def _anything(data: bytes, random: Random) -> bytes:
    return random.bytes(int(random.integers(0, 300)))


WIRE_CHANGES: tuple[Callable[[bytes, Random], bytes], ...] = (
    _reorder,
    _repeat,
    _drop,
    _retag,
    _go_inside,
    _go_inside,
    _nest,
    _append_hostile,
    _flip,
    _flip,
    _overwrite,
    _overwrite,
    _cut,
    _insert,
    _remove,
    _spoil_text,
    _anything,
)
