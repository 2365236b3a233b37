from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from histohet.common.provenance import Provenance
from histohet.common.results_tables import read_tsv, write_html, write_tsv

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


def test_page_escapes_marks_status_and_drops_empty_columns(tmp_path: Path) -> None:
    frame = table().assign(empty="")
    write_html(tmp_path / "a.html", {"Slides": frame, "Problems": frame.iloc[:0]}, PROVENANCE)
    page = (tmp_path / "a.html").read_text()
    assert "mpp &lt;unknown&gt; &amp; &#x27;odd&#x27;" in page
    assert '<td style="background: #e3f3e3">ok</td>' in page
    assert '<td style="background: #fbe0dc">refused</td>' in page
    assert "<th>empty</th>" not in page
    assert "<p>None.</p>" in page
    assert "slides.tsv" in page
    assert ">0.3<" in page
