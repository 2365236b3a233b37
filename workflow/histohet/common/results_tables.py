"""Tables: tab-separated for programs, HTML for people, each with its provenance."""

from __future__ import annotations

import html
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from histohet.common.files import atomic_path, write_json, write_text
from histohet.common.provenance import Provenance

IDS = ("slide", "wsi", "patient", "status", "group")
SENTENCES = ("reason", "excluded_because", "conflicts", "notes", "problem", "consequence")

GOOD, BAD = "#e3f3e3", "#fbe0dc"

STYLE = """
body { font-family: sans-serif; font-size: 13px; margin: 1.5em; color: #222; }
table { border-collapse: collapse; margin-bottom: 2em; }
th, td { padding: 3px 9px; text-align: left; vertical-align: top; border-bottom: 1px solid #ddd; }
th { border-bottom: 2px solid #888; position: sticky; top: 0; background: white; }
td { white-space: nowrap; }
td.sentence { white-space: normal; min-width: 24em; overflow-wrap: anywhere; }
footer { color: #777; font-size: 11px; overflow-wrap: anywhere; }
"""


def write_tsv(path: str | Path, table: pd.DataFrame, provenance: Provenance) -> None:
    """Write a table as TSV; its provenance goes beside it, into ``<path>.provenance.json``.

    Numbers keep all their digits; missing values are empty.
    """
    with atomic_path(path) as partial:
        table.to_csv(partial, sep="\t", index=False, lineterminator="\n")
    write_json(f"{path}.provenance.json", provenance.as_dict())


def read_tsv(path: str | Path, types: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Read what `write_tsv` wrote: ids and reasons stay text, only empty cells are missing.

    Parameters
    ----------
    path
        The table.
    types
        Of columns that are what they look like by chance, such as codes written as numbers.
    """
    types = types or {}
    known: dict[Hashable, str] = {
        name: types.get(name, "str") for name in (*IDS, *SENTENCES, *types)
    }
    table = pd.read_csv(
        path,
        sep="\t",
        dtype=known,
        keep_default_na=False,
        na_values=[""],
        float_precision="round_trip",
    )
    for name in SENTENCES:
        if name in table and name not in types:
            table[name] = table[name].fillna("")
    return table


def write_html(
    path: str | Path, sections: Mapping[str, pd.DataFrame], provenance: Provenance
) -> None:
    """Write tables under headings as one page; a column ``status`` is coloured."""
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
    look = ' class="sentence"' if column in SENTENCES else ""
    if column == "status":
        look = f' style="background: {GOOD if value == "ok" else BAD}"'
    return f"<td{look}>{html.escape(_text(value))}</td>"


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e5 else f"{value:.0f}"
    return str(value)
