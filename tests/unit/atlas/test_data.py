"""Data that a page from disk can load."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from helpers.atlases import HOSTILE
from histohet.atlas.data import call_text, packed_codes, packed_numbers, plain, read_call


def unpacked(packed: dict[str, Any]) -> npt.NDArray[np.int64]:
    stored = np.frombuffer(base64.b64decode(packed["values"]), f"<u{packed['bits'] // 8}")
    codes = stored.astype(np.int64)
    return np.where(codes == 2 ** packed["bits"] - 1, -1, codes)


@given(st.text() | st.just(HOSTILE))
def test_a_string_is_a_string_whatever_it_holds(text: str) -> None:
    call = call_text("a", {"text": text})
    assert call.isascii()
    assert "<" not in call
    # Line ends would end a string of the script.
    assert call.count("\n") == 1
    assert json.loads(call[len("atlas.receive(") : -3]) == ["a", {"text": text}]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    data = {"a": [1, None, "(x)"], "b": {"c": 0.1}}
    (tmp_path / "a.js").write_text(call_text("slide a)", data))
    assert read_call(tmp_path / "a.js") == ("slide a)", data)
    with pytest.raises(ValueError, match="not JSON compliant"):
        call_text("a", float("nan"))


def test_missing_and_infinite_cells_are_none() -> None:
    frame = pd.DataFrame(
        {
            "whole": pd.array([1, None, 3], "Int64"),
            "number": [0.5, np.nan, np.inf],
            "text": ["a", None, ""],
            "flag": pd.array([True, None, False], "boolean"),
        }
    )
    assert {name: plain(frame[name]) for name in frame} == {
        "whole": [1, None, 3],
        "number": [0.5, None, None],
        "text": ["a", None, ""],
        "flag": [True, None, False],
    }


@given(arrays(np.int64, st.integers(0, 20), elements=st.integers(-1, 65534)))
def test_codes_come_back(codes: npt.NDArray[np.int64]) -> None:
    packed = packed_codes(codes)
    assert unpacked(packed).tolist() == codes.tolist()
    assert packed["bits"] == (8 if codes.max(initial=0) < 255 else 16)


def test_a_code_too_large_is_refused() -> None:
    with pytest.raises(ValueError, match="65535 takes more than 16 bits"):
        packed_codes(np.array([65535]))


NUMBERS = st.floats(-1e6, 1e6, width=32) | st.just(np.nan)


@given(arrays(np.float64, st.integers(0, 20), elements=NUMBERS))
def test_numbers_come_back_to_a_part_of_their_span(values: npt.NDArray[np.float64]) -> None:
    packed = packed_numbers(values)
    codes = unpacked(packed)
    assert ((codes == -1) == np.isnan(values)).all()
    span = packed["max"] - packed["min"]
    known = ~np.isnan(values)
    read = packed["min"] + codes[known] / 65534 * span
    np.testing.assert_allclose(read, values[known], rtol=1e-12, atol=span / 131068 * 1.0001)
    if known.any():
        assert (packed["min"], packed["max"]) == (np.nanmin(values), np.nanmax(values))
