"""Receipts come back as they went out, fit, and refuse everything else."""

from __future__ import annotations

import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slate.receipt import MAX_RECEIPT_BYTES, Receipt, ReceiptWriter, seed_of

DIGEST = "0123456789abcdef" * 4
texts = st.text(st.characters(exclude_categories=("Cs",)))

receipts = st.builds(
    Receipt,
    request_id=texts.filter(lambda text: len(text.encode()) <= 255),
    bundle_digest=st.text("0123456789abcdef", min_size=32, max_size=64),
    profile=texts.filter(lambda text: len(text.encode()) <= 64),
    seed=st.integers(0, 2**64 - 1),
)


@given(receipts)
def test_a_receipt_comes_back_as_it_went_out(receipt):
    token = receipt.encode()
    assert Receipt.decode(token) == receipt
    assert set(token) <= set(string.ascii_letters + string.digits + "-_")


@given(receipts)
def test_the_writer_of_a_profile_writes_the_receipts_of_its_requests(receipt):
    token = ReceiptWriter(receipt.bundle_digest, receipt.profile).write(receipt.request_id)
    assert token == Receipt(receipt.request_id, receipt.bundle_digest, receipt.profile, seed_of(receipt.request_id)).encode()


def test_the_longest_request_id_and_profile_fit():
    receipt = Receipt("ö" * 127 + "x", DIGEST, "p" * 64, 2**64 - 1)
    assert len(receipt.request_id.encode()) == 255
    assert len(receipt.encode()) <= MAX_RECEIPT_BYTES
    assert Receipt.decode(receipt.encode()) == receipt


def test_the_seed_of_a_request_never_changes():
    """Fixed by value: replays of old receipts depend on it."""
    assert seed_of("request-1") == 0x19F1064B619D49D3
    assert seed_of("") == 0xE3B0C44298FC1C14
    assert seed_of("request-1") != seed_of("request-2")


def test_the_token_of_a_receipt_never_changes():
    """Fixed by value: version 1 must be readable for ever."""
    token = Receipt("request-1", DIGEST, "default", 7).encode()
    assert token == "AQEjRWeJq83vASNFZ4mrze8AAAAAAAAABwlyZXF1ZXN0LTEHZGVmYXVsdBE-fw4"


@pytest.mark.parametrize(
    "values",
    [
        {"request_id": "x" * 256},
        {"profile": "ö" * 33},
        {"bundle_digest": "abc"},
        {"bundle_digest": DIGEST.upper()},
        {"bundle_digest": "g" * 32},
        {"seed": -1},
        {"seed": 2**64},
        {"request_id": "\ud800"},
    ],
)
def test_what_no_receipt_can_carry_is_refused(values):
    with pytest.raises(ValueError):
        Receipt(**{"request_id": "r", "bundle_digest": DIGEST, "profile": "default", "seed": 1, **values})


TOKEN = Receipt("request-1", DIGEST, "default", 7).encode()


@pytest.mark.parametrize(
    "token", ["", "A", "AAAA", "\n", TOKEN + "=", TOKEN + "\n", " " + TOKEN, TOKEN[:-1], TOKEN + "A", "é" * 8, "A" * 512, "A" * 10_000]
)
def test_anything_else_is_no_receipt(token):
    with pytest.raises(ValueError):
        Receipt.decode(token)


def test_no_changed_receipt_is_accepted():
    random = np.random.default_rng(5)
    alphabet = string.ascii_letters + string.digits + "-_"
    for _ in range(2000):
        place = int(random.integers(len(TOKEN)))
        changed = TOKEN[:place] + alphabet[int(random.integers(64))] + TOKEN[place + 1 :]
        if changed != TOKEN:
            with pytest.raises(ValueError):
                Receipt.decode(changed)


@given(st.text(max_size=600))
def test_decoding_anything_raises_nothing_but_value_errors(text):
    with pytest.raises(ValueError):
        Receipt.decode(text)


def test_a_receipt_of_a_later_version_says_so():
    import base64
    import zlib

    body = bytes([2]) + base64.urlsafe_b64decode(TOKEN + "=" * (-len(TOKEN) % 4))[1:-4]
    token = base64.urlsafe_b64encode(body + zlib.crc32(body).to_bytes(4, "big")).rstrip(b"=").decode()
    with pytest.raises(ValueError, match="version 2"):
        Receipt.decode(token)
