"""Numbers as people read them."""

from __future__ import annotations

import math
import time

_STEPS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_YEAR_9999_S = 253_402_300_799


def whole(value: int) -> str:
    """1,234,567."""
    return f"{value:,}"


def short(value: float) -> str:
    """Three digits and a letter: 1.23M, 0.0123."""
    if not math.isfinite(value):
        return "-"
    for size, letter in _STEPS:
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}" if abs(value) < 1e15 else f"{value:.2e}"
    return f"{value:.3g}"


def size(byte_count: int) -> str:
    """1.2 MB, of 1,000,000 bytes each."""
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if byte_count >= unit:
            return f"{byte_count / unit:.1f} {name}"
    return f"{byte_count} B"


def share(part: int, of: int) -> str:
    """12.3 %; a few of many never become none, and not quite all never all."""
    if of == 0:
        return "-"
    percent = 100.0 * part / of
    if 0.0 < percent < 0.05:
        return "< 0.1 %"
    if 99.95 <= percent < 100.0:
        return "> 99.9 %"
    return f"{percent:.1f} %"


def day(seconds: float) -> str:
    """2026-11-23, of seconds since 1970; the number itself where no calendar has it."""
    return time.strftime("%Y-%m-%d", time.gmtime(seconds)) if 0 <= seconds <= _YEAR_9999_S else short(seconds)
