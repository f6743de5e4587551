"""Opens a bundle: memory-mapped, read-only, nothing copied. Names, types and shapes are checked here; what is in the arrays by `check_tables`,
the bytes by `check_files`. Imports nothing that only a build needs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bundle.check_files import check_files
from bundle.check_tables import check_creators, check_users
from bundle.layout import CREATORS, MANIFEST, USERS
from bundle.manifest import Manifest, parse_manifest
from bundle.open_tables import open_creators, open_users
from bundle.regular_file import read_json_bytes
from bundle.user_store import BundleUsers
from domain.columns import Column, ColumnSpec, Creators
from domain.errors import ArtifactError, ArtifactReason, InputNotFound

__all__ = ["Bundle", "check_files", "check_tables", "open_bundle", "open_creators", "open_users", "read_manifest"]


@dataclass(frozen=True, slots=True)
class Bundle:
    """An opened bundle, safe to share between threads and forked processes. digest: its identity, the sha256 of its manifest file."""

    path: Path
    manifest: Manifest
    digest: str
    creators: Creators
    users: BundleUsers | None


def read_manifest(path: Path) -> tuple[Manifest, str]:
    """(manifest, digest) of the bundle in a directory. InputNotFound when there is no such directory, MANIFEST_INVALID when it has no manifest."""
    file = path / MANIFEST
    if not path.exists():
        raise InputNotFound(path, "does not exist; give the directory that `earshot build` wrote")
    if not path.is_dir():
        raise ArtifactError(path, ArtifactReason.MANIFEST_INVALID, "is a file; a bundle is the directory that `earshot build` wrote")
    if not file.exists():
        raise ArtifactError(file, ArtifactReason.MANIFEST_INVALID, "is absent; give the directory that `earshot build` wrote")
    data = read_json_bytes(file, ArtifactReason.MANIFEST_INVALID)
    return parse_manifest(data, file), hashlib.sha256(data).hexdigest()


def open_bundle(path: Path) -> Bundle:
    """Open the bundle in a directory; its tables must be what its manifest says. Raises ArtifactError or InputNotFound."""
    manifest, digest = read_manifest(path)
    creators = open_creators(path)
    users = open_users(path)
    _agree(path / CREATORS, "creator_count", len(creators), manifest.creator_count)
    _agree(path / CREATORS, "dimension_count", creators.embeddings.shape[1], manifest.dimension_count)
    _agree(path / CREATORS, "creator_columns", _specs(creators.columns), manifest.creator_columns)
    _agree(path / USERS, "user_count", 0 if users is None else len(users), manifest.user_count)
    if users is not None:
        _agree(path / USERS, "dimension_count", users.embeddings.shape[1], manifest.dimension_count)
        _agree(path / USERS, "user_columns", _specs(users.columns), manifest.user_columns)
    return Bundle(path, manifest, digest, creators, None if users is None else BundleUsers(users))


def check_tables(bundle: Bundle) -> None:
    """Read every array once and hold it against the laws that serving relies on. FEATURES_INVALID names the file and the row."""
    with np.errstate(all="ignore"):  # values that are not finite are what is looked for, and are refused with more than a warning
        check_creators(bundle.path / CREATORS, bundle.creators)
        if bundle.users is not None:
            check_users(bundle.path / USERS, bundle.users.users, len(bundle.creators))


def _specs(columns: Mapping[str, Column]) -> tuple[ColumnSpec, ...]:
    return tuple(column.spec for column in columns.values())


def _agree(file: Path, field: str, found: object, stated: object) -> None:
    if found != stated:
        text = f"the manifest states {field} = {stated!r:.200}, the table has {found!r:.200}; build the bundle again"
        raise ArtifactError(file, ArtifactReason.FEATURES_INVALID, text)
