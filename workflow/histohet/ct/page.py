"""All prepared scans on one page, to be checked by eye."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from histohet.common.html import Picture

COLUMNS = ("scan", "patient", "status", "reason", "reader", "ml", "voxels", "in_range", "picture")


def scans_to_look_at(
    records: Sequence[Mapping[str, Any]], patients: Sequence[str], pictures: Sequence[str]
) -> pd.DataFrame:
    """Return a row per mask of every scan; the first of each has the picture of all.

    Parameters
    ----------
    records
        From `histohet.ct.file.write_record`.
    patients
        Whose scans they are.
    pictures
        Their files, from where the page lies.

    Returns
    -------
    DataFrame
        `COLUMNS`: what became of each mask and whose it is, its volume and voxels on the grid that
        engines get, and their share within `ct.range_hu`.
    """
    rows = []
    for record, patient, picture in zip(records, patients, pictures, strict=True):
        whole = {"status": record["status"], "reason": record["reason"]}
        voxel_ml = np.prod(record.get("spacing_mm", [np.nan])) / 1000
        for number, region in enumerate(record.get("regions") or [whole]):
            n = region.get("n_voxels")
            told = region if number or region["status"] != "ok" else whole
            volume = None if n is None else round(n * voxel_ml, 1)
            what = (record["scan"], patient, told["status"], told["reason"])
            size = (region.get("reader", ""), volume, n, region.get("in_range"))
            row = (*what, *size, None if number else Picture(picture))
            rows.append(dict(zip(COLUMNS, row, strict=True)))
    return pd.DataFrame(rows, columns=list(COLUMNS))
