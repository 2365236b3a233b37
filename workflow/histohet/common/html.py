"""Tables as a page for people, with their provenance."""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from histohet.common.files import write_text
from histohet.common.provenance import Provenance

LONG = 60
"""Cells with more characters are broken into lines."""

GOOD, BAD, SOME, PLAIN = "#e3f3e3", "#fbe0dc", "#fdf3d7", "#f0f0f0"

STATUS = {"ok": GOOD, "answered": GOOD, "partly": SOME, "open": PLAIN}
"""Colours of statuses; others are bad."""

STYLE = """
body { font-family: sans-serif; font-size: 13px; margin: 1.5em; color: #222; }
table { border-collapse: collapse; margin-bottom: 2em; }
th, td { padding: 3px 9px; text-align: left; vertical-align: top; border-bottom: 1px solid #ddd; }
th { border-bottom: 2px solid #888; position: sticky; top: 0; background: white; }
td { white-space: nowrap; }
img { max-width: 44em; }
td.long { white-space: normal; min-width: 24em; overflow-wrap: anywhere; }
footer { color: #777; font-size: 11px; overflow-wrap: anywhere; }
"""


class Picture(NamedTuple):
    """A cell that shows a picture file, named from where the page lies."""

    file: str


def write_html(
    path: str | Path, sections: Mapping[str, pd.DataFrame], provenance: Provenance
) -> None:
    """Write tables under headings as one page.

    A column ``status`` is coloured; cells may be a `Picture`, loaded when it is scrolled to.
    """
    parts = ["<!DOCTYPE html>", "<html>", "<head>", '<meta charset="utf-8">']
    parts += [f"<title>{html.escape(next(iter(sections)))}</title>"]
    parts += [f"<style>{STYLE}</style>", "</head>", "<body>"]
    for heading, table in sections.items():
        parts.append(f"<h2>{html.escape(heading)}</h2>")
        parts.append(_table(table) if len(table) else "<p>None.</p>")
    parts.append(f"<footer>{html.escape(provenance.as_json())}</footer>")
    parts += ["</body>", "</html>"]
    write_text(path, "\n".join(parts) + "\n")


def _table(table: pd.DataFrame) -> str:
    # Columns that hold nothing in any row would only widen the page.
    shown = table.replace("", None).dropna(axis="columns", how="all")
    rows = [f"<tr>{''.join(f'<th>{html.escape(str(name))}</th>' for name in shown.columns)}</tr>"]
    for values in shown.itertuples(index=False):
        cells = zip(shown.columns, values, strict=True)
        rows.append(f"<tr>{''.join(_cell(str(name), value) for name, value in cells)}</tr>")
    return "\n".join(["<table>", *rows, "</table>"])


def _cell(column: str, value: Any) -> str:
    if isinstance(value, Picture):
        source = html.escape(value.file)
        return f'<td><a href="{source}"><img src="{source}" loading="lazy"></a></td>'
    text = _text(value)
    look = ' class="long"' if len(text) > LONG else ""
    if column == "status":
        look = f' style="background: {STATUS.get(text, BAD)}"'
    return f"<td{look}>{html.escape(text)}</td>"


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, float):
        whole = value.is_integer() or abs(value) >= 1e5
        return f"{value:.0f}" if whole else f"{value:.4g}"
    return str(value)
