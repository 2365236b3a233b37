from __future__ import annotations

from pathlib import Path

import pandas as pd

from histohet.common.html import write_html
from histohet.common.provenance import Provenance


def test_page_escapes_marks_status_and_drops_empty_columns(tmp_path: Path) -> None:
    long = "mpp <unknown> & 'odd'" + " and so on" * 5
    frame = pd.DataFrame(
        {"status": ["ok", "refused"], "reason": ["", long], "score": [0.1 + 0.2, None], "empty": ""}
    )
    write_html(
        tmp_path / "a.html",
        {"Slides": frame, "Problems": frame.iloc[:0]},
        Provenance({}, {"sheet": "slides.tsv"}),
    )
    page = (tmp_path / "a.html").read_text()
    assert '<td class="long">mpp &lt;unknown&gt;' in page
    assert "mpp &lt;unknown&gt; &amp; &#x27;odd&#x27;" in page
    assert '<td style="background: #e3f3e3">ok</td>' in page
    assert '<td style="background: #fbe0dc">refused</td>' in page
    assert "<th>empty</th>" not in page
    assert "<p>None.</p>" in page
    assert "slides.tsv" in page
    assert ">0.3<" in page


def test_a_count_is_a_whole_number_also_where_another_is_missing(tmp_path: Path) -> None:
    frame = pd.DataFrame({"width": [46920, None]})
    write_html(tmp_path / "a.html", {"Slides": frame}, Provenance({}, {}))
    assert ">46920<" in (tmp_path / "a.html").read_text()
