"""Names for the array types that cross stage boundaries. Shapes are stated where they are used."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
RowArray = NDArray[np.int64]
ByteArray = NDArray[np.uint8]
BoolArray = NDArray[np.bool_]
IdArray = NDArray[np.bytes_]
AnyArray = NDArray[Any]
