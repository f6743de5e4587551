"""Listens as a sparse matrix of users by creators."""

from __future__ import annotations

from typing import Any

import numpy as np

from domain.listens import Listens


def listen_matrix(listens: Listens, weights: str = "binary") -> Any:
    """scipy CSR float32 [users, creators]: 1 per listen ("binary"), or 1 + ln(count) ("log"), which keeps one play apart from thousands."""
    if weights not in {"binary", "log"}:
        raise ValueError(f'weights are "{weights}"; they must be "binary" or "log"')
    from scipy import sparse  # noqa: PLC0415 - the extra `train` has it; reading the settings of baselines needs it not

    values = np.ones(len(listens), np.float32) if weights == "binary" else 1.0 + np.log(np.maximum(listens.counts, 1.0))
    shape = len(listens.user_ids), len(listens.creator_ids)
    return sparse.csr_matrix((values.astype(np.float32), (listens.users, listens.creators)), shape=shape)
