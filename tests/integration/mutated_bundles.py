"""Turns a good bundle into bad ones, reproducibly.

Three families. *Damaged*: bytes, names and kinds of files change and nothing else does; every one must be refused. *Hostile*: something that no build
writes, with all digests made right again, so that only the structural checks stand in its way; every one must be refused, too. *Resealed*: random
bytes anywhere, with all digests made right; what is left may be a good bundle with another number in it, so it may be accepted, and must hurt nobody.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bundle.manifest import parse_manifest
from tests.integration.hostile_bundles import HOSTILE, INDEX, MANIFEST

Random = np.random.Generator


@dataclass(frozen=True, slots=True)
class Mutation:
    """What was done to a bundle. refused: whether it must not be accepted."""

    name: str
    refused: bool


def mutate(bundle: Path, out: Path, random: Random) -> Mutation:
    """Copy the good bundle to `out` and make it bad."""
    shutil.copytree(bundle, out)
    family = random.choice(3, p=(0.4, 0.3, 0.3))
    if family == 0:
        damage = DAMAGES[random.integers(len(DAMAGES))]
        return Mutation(f"damaged: {damage.__name__} {damage(out, random)}", refused=True)
    if family == 1:
        name = list(HOSTILE)[random.integers(len(HOSTILE))]
        HOSTILE[name](out)
        seal(out)
        return Mutation(f"hostile: {name}", refused=True)
    file = _any_file(out, random)
    change = CHANGES[random.integers(len(CHANGES))]
    change(file, random)
    seal(out)
    return Mutation(f"resealed: {change.__name__} {file.relative_to(out)}", refused=False)


def seal(bundle: Path) -> None:
    """Make size and digest of every file right again, and the manifest's own checksum where it can still be read."""
    path = bundle / MANIFEST
    try:
        values = json.loads(path.read_bytes())
        values["files"] = {name: _record(bundle / name) for name in _files(bundle) if name != MANIFEST}
        path.write_text(json.dumps(values))
        values["checksum"] = parse_manifest(path.read_bytes(), path).own_checksum()
        path.write_text(json.dumps(values))
    except Exception:  # noqa: BLE001  # then it is no manifest any more
        return


def _files(bundle: Path) -> list[str]:
    return sorted(path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file() and not path.is_symlink())


def _record(path: Path) -> dict[str, Any]:
    return {"size": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def _any_file(bundle: Path, random: Random) -> Path:
    names = _files(bundle)
    return bundle / names[random.integers(len(names))]


# ---- Bytes of one file


def flip_bits(path: Path, random: Random) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(int((1, 1, 2, 8)[random.integers(4)])):
        content[random.integers(len(content))] ^= 1 << int(random.integers(8))
    path.write_bytes(content)


def cut(path: Path, random: Random) -> None:
    os.truncate(path, int(random.integers(path.stat().st_size)))


def extend(path: Path, random: Random) -> None:
    with path.open("ab") as file:
        file.write(random.bytes(int(random.integers(1, 200))))


def zero_a_block(path: Path, random: Random) -> None:
    _overwrite(path, random, bytes)


def scramble_a_block(path: Path, random: Random) -> None:
    _overwrite(path, random, random.bytes)


def put_a_number(path: Path, random: Random) -> None:
    """A word that means trouble as a count, an offset or a float."""
    words = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7F800000, 0x7FC00000, 0x00000400)
    _overwrite(path, random, lambda _: words[random.integers(len(words))].to_bytes(4, "little"), aligned=True)


def _overwrite(path: Path, random: Random, content: Callable[[int], bytes], aligned: bool = False) -> None:
    old = bytearray(path.read_bytes())
    place = int(random.integers(len(old)))
    place -= place % 4 if aligned else 0
    new = content(min(len(old) - place, int((4, 64, 512)[random.integers(3)])))
    old[place : place + len(new)] = new[: len(old) - place]
    path.write_bytes(old)


CHANGES = (flip_bits, flip_bits, cut, extend, zero_a_block, scramble_a_block, put_a_number)


# ---- Damage that no digest was made right for


def change_bytes(bundle: Path, random: Random) -> str:
    path = _any_file(bundle, random)
    before = path.read_bytes()
    while path.read_bytes() == before:
        CHANGES[random.integers(len(CHANGES))](path, random)
        if path.name == MANIFEST and _same_manifest(before, path.read_bytes()):
            path.write_bytes(before)
    return str(path.relative_to(bundle))


def _same_manifest(before: bytes, after: bytes) -> bool:
    """Whether JSON reads both alike: another blank between two fields is no other manifest."""
    try:
        return bool(json.loads(before) == json.loads(after))
    except ValueError:
        return False


def swap_two_files(bundle: Path, random: Random) -> str:
    one, other = _any_file(bundle, random), _any_file(bundle, random)
    while one.read_bytes() == other.read_bytes():
        other = _any_file(bundle, random)
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)
    return f"{one.name} {other.name}"


def delete_a_file(bundle: Path, random: Random) -> str:
    path = _any_file(bundle, random)
    path.unlink()
    return path.name


def rename_a_file(bundle: Path, random: Random) -> str:
    path = _any_file(bundle, random)
    path.rename(path.with_name("renamed"))
    return path.name


def add_a_file(bundle: Path, random: Random) -> str:
    path = _any_file(bundle, random).with_name((".hidden", "extra.npy", "x\ny", "\udcff")[random.integers(4)])
    path.write_bytes(random.bytes(10))
    return repr(path.name)


def replace_by_a_link(bundle: Path, random: Random) -> str:
    path = _any_file(bundle, random)
    elsewhere = bundle.with_name(bundle.name + ".elsewhere")
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    return path.name


def give_a_second_name(bundle: Path, random: Random) -> str:
    path = _any_file(bundle, random)
    if path.name == MANIFEST:
        path = bundle / INDEX
    os.link(path, bundle.with_name(bundle.name + ".second"))
    return path.name


def replace_by_a_pipe(bundle: Path, random: Random) -> str:
    path = _any_file(bundle, random)
    path.unlink()
    os.mkfifo(path)
    return path.name


def replace_by_a_folder(bundle: Path, random: Random) -> str:
    path = _any_file(bundle, random)
    path.unlink()
    path.mkdir()
    return path.name


DAMAGES = (
    *(change_bytes,) * 6,
    swap_two_files,
    delete_a_file,
    rename_a_file,
    add_a_file,
    replace_by_a_link,
    give_a_second_name,
    replace_by_a_pipe,
    replace_by_a_folder,
)
