"""Arrays by their dtype, of any shape; a docstring gives the shape."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
UInt8 = npt.NDArray[np.uint8]
UInt16 = npt.NDArray[np.uint16]
Int32 = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
