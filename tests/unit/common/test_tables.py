from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from histohet.common.provenance import Provenance
from histohet.common.tables import read_tsv, write_tsv

PROVENANCE = Provenance({"k": 8}, {"sheet": "slides.tsv"})


def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "slide": ["007", "NA"],
            "status": ["ok", "refused"],
            "reason": ["", "mpp <unknown> & 'odd'"],
            "score": [0.1 + 0.2, np.nan],
        }
    )


def test_round_trip_keeps_ids_digits_and_empty_reasons(tmp_path: Path) -> None:
    write_tsv(tmp_path / "a.tsv", table(), PROVENANCE)
    found = read_tsv(tmp_path / "a.tsv")
    pd.testing.assert_frame_equal(found, table())
    sidecar = json.loads((tmp_path / "a.tsv.provenance.json").read_text())
    assert sidecar["parameters"] == {"k": 8}


def test_every_number_comes_back_to_its_last_bit(tmp_path: Path) -> None:
    """pandas' default reader is off by one bit for every sixth of these."""
    score = np.random.default_rng(0).exponential(30, 1000)
    write_tsv(tmp_path / "a.tsv", pd.DataFrame({"score": score}), PROVENANCE)
    np.testing.assert_array_equal(read_tsv(tmp_path / "a.tsv")["score"], score)


def test_every_type_comes_back(tmp_path: Path) -> None:
    frame = table().assign(
        count=pd.array([3, None], "Int64"),
        events=pd.array([1, 0], "Int8"),
        whole=[1, 2],
        found=[True, False],
        counted=pd.array([True, None], "boolean"),
        # Text that looks like something else.
        code=["01", "1e3"],
        encoder=["uni", np.nan],
        nothing=[np.nan, np.nan],
    )
    write_tsv(tmp_path / "a.tsv", frame, PROVENANCE)
    back = read_tsv(tmp_path / "a.tsv")
    pd.testing.assert_frame_equal(back, frame)
    write_tsv(tmp_path / "b.tsv", back, PROVENANCE)
    assert (tmp_path / "b.tsv").read_bytes() == (tmp_path / "a.tsv").read_bytes()


def test_a_table_without_rows_comes_back(tmp_path: Path) -> None:
    frame = table().iloc[:0]
    write_tsv(tmp_path / "a.tsv", frame, PROVENANCE)
    pd.testing.assert_frame_equal(read_tsv(tmp_path / "a.tsv"), frame)


def test_a_table_without_its_types_is_not_guessed(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("slide\n007\n")
    with pytest.raises(FileNotFoundError, match=r"a\.tsv\.provenance\.json"):
        read_tsv(tmp_path / "a.tsv")
