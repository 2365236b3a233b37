"""Patients and slides of known results, for the tests of the statistics, and R's data sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

# R: survival::aml (leukaemia, maintenance chemotherapy; Miller 1997).
MAINTAINED = pd.DataFrame(
    {
        "time": [9, 13, 13, 18, 23, 28, 31, 34, 45, 48, 161],
        "event": [1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0],
    }
)
NONMAINTAINED = pd.DataFrame(
    {
        "time": [5, 5, 8, 8, 12, 16, 23, 27, 30, 33, 43, 45],
        "event": [1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1],
    }
)
AML = pd.concat([MAINTAINED.assign(x="Maintained"), NONMAINTAINED.assign(x="Nonmaintained")])

# Made up: heavy ties, a factor with three levels, a number.
TIED = pd.DataFrame(
    {
        "time_months": [1, 1, 2, 2, 2, 3, 3, 4, 4, 4, 5, 5, 6, 6, 7, 7, 7, 8, 9, 9, 10, 10, 11, 12],
        "event": [1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0, 1, 0, 1, 0, 0, 0],
        "stage": [{"1": "I", "2": "II", "3": "III"}[code] for code in "332313232312312213121121"],
        "age": [
            *(71, 64, 58, 80, 49, 66, 73, 55, 61, 77, 52, 68),
            *(70, 45, 63, 59, 74, 62, 50, 57, 66, 48, 60, 53),
        ],
    }
)

# Every fate of a slide, in the order of the sheet.
SLIDES = pd.DataFrame(
    [
        ("a1", "a", "no_tissue", "no tissue found", np.nan, np.nan),
        ("a2", "a", "ok", "", 3.0, 30),
        ("b1", "b", "ok", "", 5.0, 50),
        ("b2", "b", "ok", "", 7.0, 70),
        ("c1", "c", "refused", "scale unknown", np.nan, np.nan),
        ("c2", "c", "ok", "", np.nan, 9),
        ("d1", "d", "ok", np.nan, 2.0, 20),
        ("e1", "e", "ok", "", 100.0, 10),
        ("f1", "f", "ok", "", 4.0, 40),
        ("g1", "g", "ok", "", 6.0, 60),
        ("h1", "h", "ok", "", 1.0, 10),
    ],
    columns=["slide", "patient", "status", "reason", "n_clusters", "n_tiles"],
)

ROSSI_COVARIATES = ["fin", "age", "race", "wexp", "mar", "paro", "prio"]


def read_rossi(real_data: Path) -> pd.DataFrame:
    """Return the arrests after release of 432 prisoners (Rossi 1980)."""
    return _read(real_data, "rossi", "week", "arrest")


def read_lung(real_data: Path) -> pd.DataFrame:
    """Return R's survival::lung (North Central Cancer Treatment Group), sex in words."""
    lung = _read(real_data, "lung", "time", "status")
    return lung.assign(sex=lung["sex"].map({1: "male", 2: "female"}))


def read_larynx(real_data: Path) -> pd.DataFrame:
    """Return KMsurv::larynx with a column `stage`, I to IV."""
    larynx = _read(real_data, "larynx", "time", "death")
    stages = larynx[["Stage_II", "Stage_III", "Stage_IV"]]
    named = stages.idxmax(axis=1).str.removeprefix("Stage_").where(stages.any(axis=1), "I")
    return larynx.assign(stage=named)


def _read(real_data: Path, name: str, time: str, event: str) -> pd.DataFrame:
    table = pd.read_csv(real_data / "survival" / f"{name}.csv")
    return table.rename(columns={time: "time_months", event: "event"})
