"""The bundles that are measured, built by the real build and kept between runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from bench.data import World, write_inputs
from bench.question import CANDIDATE_COUNT
from cli.progress import ConsoleProgress
from engine.build import BuildOptions, build


def ensure_bundle(world: World, data: Path, rebuild: bool) -> Path:
    """The bundle of a world below `data`; its inputs are written and it is built when it is not there, or when asked for."""
    directory = data / world.key
    inputs, bundle = directory / "inputs", directory / "bundle"
    if not inputs.is_dir():
        write_whole(inputs, lambda directory: write_inputs(world, directory))
    if rebuild and bundle.is_dir():
        shutil.rmtree(bundle)
    if not bundle.is_dir():
        build_bundle(build_options(world, inputs, bundle))
    return bundle


def write_whole(inputs: Path, write: Callable[[Path], None]) -> None:
    """All inputs or none: an interrupted run must not leave half of them. write: makes them in an empty directory."""
    partial = inputs.with_name(f"{inputs.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    write(partial)
    partial.rename(inputs)


def build_options(world: World, inputs: Path, bundle: Path) -> BuildOptions:
    """How a bundle of these inputs is built."""
    return BuildOptions(
        creators=inputs / "creators.parquet",
        ranker=inputs / "ranker.onnx",
        out=bundle,
        users=inputs / "users.parquet",
        binding=inputs / "binding.toml",
        embedding_space=world.vectors,
        bundle_version=world.key,
        candidates=CANDIDATE_COUNT,
        narrow=world.narrow,
    )


def build_bundle(options: BuildOptions) -> None:
    """Build it, with progress shown."""
    with ConsoleProgress() as progress:
        build(options, progress)
