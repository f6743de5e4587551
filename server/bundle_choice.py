"""Which bundle to serve. Reads manifests only, never an array."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bundle.layout import MANIFEST
from bundle.manifest import Manifest
from bundle.open import read_manifest
from domain.errors import ArtifactError, ArtifactReason, ConfigurationError, InputNotFound
from server.settings import Settings

CHANNEL = Path("channels", "default.json")


@dataclass(frozen=True, slots=True)
class KnownBundle:
    """A bundle whose manifest was read."""

    path: Path
    manifest: Manifest
    digest: str


def choose_bundle(settings: Settings) -> KnownBundle:
    """The bundle that was named; or, of a directory, the one that channels/default.json wants; or the only one there.

    Raises ConfigurationError when it is not clear which, InputNotFound, ArtifactError.
    """
    if settings.bundle is not None:
        return _read(settings.bundle)
    assert settings.bundles is not None
    if not settings.bundles.is_dir():
        raise InputNotFound(settings.bundles, "is no directory; give one that holds bundles")
    channel = settings.bundles / CHANNEL
    return _wanted(settings.bundles, channel) if channel.exists() else _only(settings.bundles)


def known_bundles(settings: Settings) -> list[KnownBundle]:
    """All bundles that this server could serve, by version; those whose manifest cannot be read are left out."""
    if settings.bundle is not None:
        return _readable([settings.bundle])
    assert settings.bundles is not None
    return sorted(_readable(_candidates(settings.bundles)), key=lambda known: (known.manifest.version, known.digest))


def _read(path: Path) -> KnownBundle:
    manifest, digest = read_manifest(path)
    return KnownBundle(path, manifest, digest)


def _candidates(directory: Path) -> list[Path]:
    """Folders with a manifest; hidden ones are builds that have not been published."""
    return sorted(path.parent for path in directory.glob(f"*/{MANIFEST}") if not path.parent.name.startswith("."))


def _readable(paths: Iterable[Path]) -> list[KnownBundle]:
    known = []
    for path in paths:
        try:
            known.append(_read(path))
        except (ArtifactError, InputNotFound, OSError):
            continue  # a broken bundle beside good ones must not keep the others from being listed
    return known


def _only(directory: Path) -> KnownBundle:
    paths = _candidates(directory)
    if not paths:
        raise InputNotFound(directory, f"holds no bundle; build one into it with `earshot build --out {directory}/NAME`")
    if len(paths) > 1:
        names = ", ".join(path.name for path in paths[:5])
        raise ConfigurationError(f"{directory} holds {len(paths)} bundles ({names}); name one with --bundle, or write {directory / CHANNEL}")
    return _read(paths[0])


def _wanted(directory: Path, channel: Path) -> KnownBundle:
    version, digest = _read_channel(channel)
    of_version = [known for known in _readable(_candidates(directory)) if known.manifest.version == version]
    matching = [known for known in of_version if known.digest == digest]
    if matching:
        return matching[0]
    if of_version:
        text = (
            f'wants bundle "{version}" with the digest {digest}, the one there has {of_version[0].digest}; publish the right one, or correct the file'
        )
        raise ArtifactError(channel, ArtifactReason.CHECKSUM_MISMATCH, text)
    raise InputNotFound(channel, f'wants bundle "{version}", which is not in {directory}; publish it there, or correct the file')


def _read_channel(channel: Path) -> tuple[str, str]:
    try:
        wanted = json.loads(channel.read_text(encoding="utf-8"))
        version, digest = wanted["bundle_version"], wanted["digest"]
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise ConfigurationError(f'{channel}: must be {{"bundle_version": "...", "digest": "..."}}: {problem!r}') from problem
    if not isinstance(version, str) or not isinstance(digest, str):
        raise ConfigurationError(f'{channel}: must be {{"bundle_version": "...", "digest": "..."}}, both texts')
    return version, digest
