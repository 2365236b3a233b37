"""Tables of results: tab-separated, each with its provenance and the types of its columns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from histohet.common.files import atomic_path, read_json, write_json
from histohet.common.provenance import Provenance

TEXT, TEXT_OR_MISSING = "text", "text or missing"
"""Types of text, by what an empty cell is; the others are pandas' own, such as ``Int64``."""


def write_tsv(path: str | Path, table: pd.DataFrame, provenance: Provenance) -> None:
    """Write a table as TSV; provenance and types go beside it, into ``<path>.provenance.json``.

    Numbers keep all their digits; missing values are empty.
    """
    with atomic_path(path) as partial:
        table.to_csv(partial, sep="\t", index=False, lineterminator="\n")
    write_sidecar(path, {str(name): _type_of(table[name]) for name in table}, provenance)


def write_sidecar(path: str | Path, types: Mapping[str, str], provenance: Provenance) -> None:
    """Write what goes beside a table that is written otherwise: the types of its columns."""
    write_json(f"{path}.provenance.json", {**provenance.as_dict(), "types": types})


def read_tsv(path: str | Path) -> pd.DataFrame:
    """Read what `write_tsv` wrote, every column in the type that it had.

    Raises
    ------
    OSError
        If there is no such table, or no sidecar beside it.
    """
    types = read_json(f"{path}.provenance.json")["types"]
    texts = dict.fromkeys((TEXT, TEXT_OR_MISSING), "str")
    return pd.read_csv(
        path,
        sep="\t",
        dtype={name: texts.get(kind, kind) for name, kind in types.items()},
        keep_default_na=False,
        na_values={name: [""] for name, kind in types.items() if kind != TEXT},
        float_precision="round_trip",
    )


def _type_of(column: pd.Series) -> str:
    """Name the type that `read_tsv` gives a column."""
    kind = column.infer_objects().dtype
    if kind != np.dtype(object):
        return str(kind)
    if pd.api.types.infer_dtype(column, skipna=True) == "boolean":
        return "boolean"
    return TEXT_OR_MISSING if column.isna().any() else TEXT
