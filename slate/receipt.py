"""Receipts: the opaque token that says how a slate came to be. Feedback carries it back, and a replay reproduces the slate from it.

Layout of version 1, in URL-safe base64 without padding: version (1 byte), bundle digest (16), seed (8, big endian), length of the request id (1),
request id, length of the profile's name (1), name, CRC-32 of all before it (4). The checksum finds slips of copying; it is no signature.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from dataclasses import dataclass
from hashlib import sha256

VERSION = 1
MAX_RECEIPT_BYTES = 512
MAX_REQUEST_ID_BYTES = 255
MAX_PROFILE_BYTES = 64

_DIGEST_DIGITS = 32  # 128 bits: enough to tell bundles apart, half the room of a sha256
_FIXED_BYTES = 1 + _DIGEST_DIGITS // 2 + 8 + 1 + 1 + 4
_DIGEST = re.compile(rf"[0-9a-f]{{{_DIGEST_DIGITS}}}")
_TO_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_URL_SAFE = re.compile(r"[A-Za-z0-9_-]+")


def seed_of(request_id: str) -> int:
    """The seed of a request: 64 bits, the same for the same id on every machine and in every version."""
    return int.from_bytes(sha256(request_id.encode()).digest()[:8], "big")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a receipt names. bundle_digest: lower-case hex of at least 32 digits, of which the first 32 are kept. seed: 64 bits, unsigned."""

    request_id: str
    bundle_digest: str
    profile: str
    seed: int

    def __post_init__(self) -> None:
        """ValueError for what no receipt can carry."""
        object.__setattr__(self, "bundle_digest", self.bundle_digest[:_DIGEST_DIGITS])
        if _DIGEST.fullmatch(self.bundle_digest) is None:
            raise ValueError(f"the bundle digest {self.bundle_digest!r} is not {_DIGEST_DIGITS} or more lower-case hex digits")
        if not 0 <= self.seed < 2**64:
            raise ValueError(f"the seed {self.seed} does not fit 64 bits")
        for what, text, most in (("request id", self.request_id, MAX_REQUEST_ID_BYTES), ("profile", self.profile, MAX_PROFILE_BYTES)):
            if len(text.encode()) > most:
                raise ValueError(f"the {what} has {len(text.encode())} bytes of UTF-8; a receipt carries {most}")

    def encode(self) -> str:
        """The token: URL-safe ASCII of at most 512 bytes."""
        request_id, profile = self.request_id.encode(), self.profile.encode()
        body = b"".join(
            (
                bytes([VERSION]),
                bytes.fromhex(self.bundle_digest),
                self.seed.to_bytes(8, "big"),
                bytes([len(request_id)]),
                request_id,
                bytes([len(profile)]),
                profile,
            )
        )
        return _token(body)

    @classmethod
    def decode(cls, token: str) -> Receipt:
        """The receipt that `encode` made. ValueError for every other text, naming what is wrong with it."""
        body = _checked_body(token)
        digest_end = 1 + _DIGEST_DIGITS // 2
        id_start = digest_end + 9
        id_end = id_start + body[id_start - 1]
        if id_end >= len(body) or id_end + 1 + body[id_end] != len(body):
            raise ValueError("the lengths in the receipt contradict each other")
        return cls(
            request_id=body[id_start:id_end].decode(),  # UnicodeDecodeError is a ValueError
            bundle_digest=body[1:digest_end].hex(),
            profile=body[id_end + 1 :].decode(),
            seed=int.from_bytes(body[digest_end : digest_end + 8], "big"),
        )


class ReceiptWriter:
    """Writes the receipts of one profile of one bundle; what they have in common is laid out once. Immutable, safe from any thread."""

    def __init__(self, bundle_digest: str, profile: str) -> None:
        """ValueError as for a Receipt."""
        common = Receipt("", bundle_digest, profile, 0)
        self._head = bytes([VERSION]) + bytes.fromhex(common.bundle_digest)
        self._tail = bytes([len(profile.encode())]) + profile.encode()

    def write(self, request_id: str) -> str:
        """The token of the receipt whose seed is `seed_of(request_id)`. ValueError for a request id of more than 255 bytes."""
        name = request_id.encode()
        return _token(b"".join((self._head, sha256(name).digest()[:8], bytes((len(name),)), name, self._tail)))


def _token(body: bytes) -> str:
    """The body with its checksum as text."""
    # What base64.urlsafe_b64encode does, without its detours: this runs on every request.
    return binascii.b2a_base64(body + zlib.crc32(body).to_bytes(4, "big"), newline=False).translate(_TO_URL_SAFE).rstrip(b"=").decode()


def _checked_body(token: str) -> bytes:
    """The bytes before the checksum."""
    if len(token) > MAX_RECEIPT_BYTES or not _URL_SAFE.fullmatch(token) or len(token) % 4 == 1:
        raise ValueError("the receipt is not URL-safe base64 of at most 512 bytes")
    data = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != token:
        raise ValueError("the receipt has stray bits at its end")
    if len(data) < _FIXED_BYTES or zlib.crc32(data[:-4]).to_bytes(4, "big") != data[-4:]:
        raise ValueError("the receipt is damaged: its checksum does not match")
    if data[0] != VERSION:
        raise ValueError(f"the receipt has version {data[0]}; this server reads version {VERSION}")
    return data[:-4]
