"""Where the committed files of the demo world lie. Imports nothing that serving does not have."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

EMERGING_TIER = "emerging"  # the value of creators.parquet's `tier` for those who are new
SPACE = "ip"  # the towers were trained on inner products
SAMPLE_USER_ID = "listener-0001"


@dataclass(frozen=True, slots=True)
class DemoFiles:
    """The inputs of `earshot build` for the demo world; and `heldout`, what its listeners played after everything that was learned from."""

    creators: Path
    users: Path
    ranker: Path
    binding: Path
    expected: Path
    heldout: Path


def demo_files() -> DemoFiles:
    """The committed files. They lie unpacked beside this module, from a checkout and from an installed wheel alike."""
    return files_in(Path(str(files("demo"))) / "data")


def files_in(directory: Path) -> DemoFiles:
    """The files of a demo world made in `directory`."""
    return DemoFiles(
        creators=directory / "creators.parquet",
        users=directory / "users.parquet",
        ranker=directory / "ranker.onnx",
        binding=directory / "binding.toml",
        expected=directory / "expected.parquet",
        heldout=directory / "heldout.parquet",
    )
