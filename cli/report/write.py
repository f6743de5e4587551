"""Writes the report to a file."""

from __future__ import annotations

import os
from pathlib import Path

from cli.report.page import page
from domain.errors import OutputNotWritable
from engine.survey import survey


def write_report(bundle: Path, out: Path) -> int:
    """Survey the bundle and write its report to `out`, in one piece, over an older one. Returns the size in bytes.

    Raises OutputNotWritable, also for a place inside the bundle: a file that its manifest does not list would make the bundle unservable.
    """
    if out.resolve().is_relative_to(bundle.resolve()):
        raise OutputNotWritable(out, "lies inside the bundle, which never changes; write the report elsewhere")
    if out.is_dir():
        raise OutputNotWritable(out, f"is a directory; name a file, for instance {out / 'report.html'}")
    data = page(survey(bundle)).encode()
    draft = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        try:
            draft.write_bytes(data)
            draft.replace(out)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as problem:
        raise OutputNotWritable(out, f"cannot be written: {problem.strerror or problem}; name another file") from problem
    return len(data)
