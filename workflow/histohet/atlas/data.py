"""Files of data that a page opened from disk can load: a script with one call.

Browsers let no page from ``file://`` read another file, but they run scripts beside it. What stands
between the first and the last parenthesis is a JSON list, for whoever wants the data.
"""

from __future__ import annotations

import base64
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from histohet.common.arrays import Floats, Ints

CALL = "atlas.receive"

STEPS = 2**16 - 2
"""Levels that a number is told in, between the least and the largest of its column."""

NOTHING_8 = 2**8 - 1
"""Stands for -1 in 8 bits."""


def call_text(name: str, data: Any) -> str:
    """Return the script that hands `data` to the page under a name.

    Whatever a string holds, it is a string of the script: everything beyond ASCII is escaped, and
    no ``<`` could end it. NaN and infinity are errors.
    """
    text = json.dumps([name, data], allow_nan=False, separators=(",", ":"))
    escaped = text.replace("<", "\\u003c")
    return f"{CALL}({escaped});\n"


def read_call(path: str | Path) -> tuple[str, Any]:
    """Read what `call_text` gave, of a file: the name and the data."""
    text = Path(path).read_text(encoding="ascii")
    name, data = json.loads(text[text.index("(") + 1 : text.rindex(")")])
    return name, data


def plain(column: pd.Series[Any]) -> list[Any]:
    """Return the values of a column as JSON has them; what is missing or not finite is None."""
    return [_plain(value) for value in column.astype(object).tolist()]


def _plain(value: Any) -> Any:
    if value is None or value is pd.NA:
        return None
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, bool | np.bool_):
        return bool(value)
    return int(value) if isinstance(value, int | np.integer) else str(value)


def packed_codes(codes: Ints) -> dict[str, Any]:
    """Pack whole numbers from 0 on, and -1 where nothing is known, (N,).

    Returns
    -------
    dict
        ``bits``, 8 or 16, and ``values``: base64 of unsigned little-endian integers, the largest
        of which stands for -1.

    Raises
    ------
    ValueError
        If a number takes more than 16 bits.
    """
    if codes.max(initial=0) > STEPS:
        raise ValueError(f"{codes.max()} takes more than 16 bits")
    return _packed(codes, 8 if codes.max(initial=0) < NOTHING_8 else 16)


def packed_numbers(values: Floats) -> dict[str, Any]:
    """Pack numbers (N,) to 1/65534 of the span between the least and the largest; NaN is unknown.

    Returns
    -------
    dict
        ``min`` and ``max``, and what `packed_codes` gives, of 16 bits: 0 stands for the one, 65534
        for the other.
    """
    known = np.isfinite(values)
    if not known.any():
        return {"min": 0.0, "max": 0.0, **_packed(np.full(len(values), -1), 16)}
    low, high = float(values[known].min()), float(values[known].max())
    codes = np.full(len(values), -1, np.int64)
    codes[known] = np.rint((values[known] - low) / ((high - low) or 1.0) * STEPS)
    return {"min": low, "max": high, **_packed(codes, 16)}


def _packed(codes: Ints, bits: int) -> dict[str, Any]:
    stored = np.where(codes < 0, 2**bits - 1, codes).astype(f"<u{bits // 8}")
    return {"bits": bits, "values": base64.b64encode(stored.tobytes()).decode()}
