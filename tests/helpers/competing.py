"""Patients with two competing events: a published example, and planted cohorts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from histohet.fusion.blocks import Block, Kind

# Bone marrow transplants (Klein and Moeschberger 2003, table D.1; R: KMsurv::bmt): days to relapse
# (1), death in remission (2) or last contact (0), and days that the transplant was waited for.
_DAYS = (
    "2081 1602 1496 1462 1433 1377 1330 996 226 1199 1111 530 1182 1167 418 383 276 104 "
    "609 172 487 662 194 230 526 122 129 74 122 86 466 192 109 55 1 107 110 332 2569 2506 "
    "2409 2218 1857 1829 1562 1470 1363 1030 860 1258 2246 1870 1799 1709 1674 1568 1527 "
    "1324 957 932 847 848 1850 1843 1535 1447 1384 414 2204 1063 481 105 641 390 288 421 "
    "79 748 486 48 272 1074 381 10 53 80 35 248 704 211 219 606 2640 2430 2252 2140 2133 "
    "1238 1631 2024 1345 1136 845 422 162 84 100 2 47 242 456 268 318 32 467 47 390 183 "
    "105 115 164 93 120 80 677 64 168 74 16 157 625 48 273 63 76 113 363 "
)
_STATES = (
    "0 0 0 0 0 0 0 0 0 0 0 0 0 0 2 1 2 1 1 2 2 1 2 1 2 2 1 1 1 2 2 1 1 1 2 2 1 2 0 0 0 0 "
    "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 2 2 2 2 2 2 2 2 1 2 1 1 2 1 2 1 2 "
    "2 2 2 1 2 1 1 1 0 0 0 0 0 0 0 0 0 0 0 1 2 1 1 2 1 1 1 1 2 1 1 1 1 2 2 1 2 1 1 2 2 1 "
    "2 2 2 1 1 1 1 2 1 1 2 "
)
_WAITED = (
    "98 1720 127 168 93 2187 1006 1319 208 174 236 151 203 191 110 824 146 85 187 129 128 "
    "84 329 147 943 2616 937 303 170 239 508 74 393 331 196 178 361 834 270 60 120 60 90 "
    "210 90 240 90 210 180 180 105 225 120 90 60 90 450 75 90 60 75 180 180 270 180 150 "
    "120 120 60 270 90 120 90 120 90 90 90 60 120 150 120 150 120 240 180 150 150 30 105 "
    "90 120 210 750 24 120 210 240 240 690 105 120 900 210 210 300 105 210 75 90 180 630 "
    "180 300 90 120 135 210 120 150 270 285 240 510 780 150 180 150 750 180 180 150 210 "
    "240 360 330 240 180 "
)
BMT = pd.DataFrame(
    {
        "group": np.repeat(["ALL", "AML low risk", "AML high risk"], [38, 54, 45]),
        "years": np.array(_DAYS.split(), float) / 365.25,
        "state": np.array(_STATES.split(), int),
        "waited": np.array(_WAITED.split(), int),
    }
)


def planted(
    n: int, seed: int, of: dict[str, float] | None = None, missing: float = 0.0
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Blocks of n patients with planted log hazard ratios per standard deviation, and outcomes."""
    tables, outcome, _ = planted_with_truth(n, seed, of, missing)
    return tables, outcome


def planted_with_truth(
    n: int, seed: int, of: dict[str, float] | None = None, missing: float = 0.0
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame, pd.DataFrame]:
    """Planted blocks and outcomes, and what each block adds to the log hazard of the event.

    ``clinical``: age and grade; ``ct``: 30 features with 3 factors; ``slide``: 40 numbers with 4;
    ``heterogeneity``: a score. The hazard of the event depends on age, the first factor of the CT,
    the first of the slide, and the score; that of the competing event on age alone.
    """
    effect = {"clinical": 0.6, "ct": 0.8, "slide": 0.8, "heterogeneity": 0.6} | (of or {})
    rng = np.random.default_rng(seed)
    ct_factors, slide_factors = rng.normal(size=(n, 3)), rng.normal(size=(n, 4))
    age, score = rng.normal(size=n), rng.normal(size=n)
    patients = pd.Index([f"P{i:03d}" for i in range(n)], name="patient")

    def table(factors: np.ndarray, width: int, name: str) -> pd.DataFrame:
        noise = 0.5 * rng.normal(size=(n, width))
        numbers = factors @ rng.normal(size=(factors.shape[1], width)) + noise
        return pd.DataFrame(numbers, index=patients).add_prefix(name)

    grade = rng.choice(["low", "high"], n)
    blocks = {
        "clinical": pd.DataFrame({"age": 60 + 10 * age, "grade": grade}, index=patients),
        "ct": table(ct_factors, 30, "f_"),
        "slide": table(slide_factors, 40, "feat_"),
        "heterogeneity": pd.DataFrame({"n_clusters": score}, index=patients),
    }
    factors = {
        "clinical": age,
        "ct": ct_factors[:, 0],
        "slide": slide_factors[:, 0],
        "heterogeneity": score,
    }
    truth = pd.DataFrame(
        {name: effect[name] * factor for name, factor in factors.items()}, index=patients
    )
    first = rng.exponential(60 * np.exp(-truth.sum(axis=1).to_numpy()))
    death, last = rng.exponential(120 * np.exp(-0.5 * age)), rng.uniform(12, 120, n)
    time = np.minimum(np.minimum(first, death), last)
    state = np.where(time == first, 1, np.where(time == death, 2, 0))
    without = rng.random(n) < missing
    blocks["ct"][without] = np.nan
    return blocks, pd.DataFrame({"time_months": time, "state": state}, index=patients), truth


KINDS: dict[str, Kind] = {
    "clinical": "few",
    "ct": "features",
    "slide": "vector",
    "heterogeneity": "few",
}


def blocks_of(tables: dict[str, pd.DataFrame]) -> dict[str, Block]:
    """Return the tables as blocks."""
    return {name: Block(name, table, KINDS[name]) for name, table in tables.items()}


def drawn(table: pd.DataFrame, unstable: tuple[str, ...], seed: int = 1) -> pd.DataFrame:
    """Draws of a table of features under five masks, on which those that are unstable depend."""
    rng = np.random.default_rng(seed)
    parts = []
    for number in range(5):
        draw = table + 0.01 * number * rng.normal(size=table.shape)
        draw[list(unstable)] = rng.normal(size=(len(table), len(unstable)))
        source = "perturbation" if number else "mask"
        parts.append(draw.assign(scan=table.index + "_ct", source=source))
    return pd.concat(parts)


def noise(n: int, columns: int, seed: int) -> tuple[dict[str, Block], pd.DataFrame]:
    """A block ``ct`` that says nothing, and outcomes."""
    rng = np.random.default_rng(seed)
    patients = pd.Index([f"P{i:03d}" for i in range(n)], name="patient")
    table = pd.DataFrame(rng.normal(size=(n, columns)), index=patients).add_prefix("f_")
    time, state = rng.exponential(30, n), rng.choice(3, n, p=[0.4, 0.45, 0.15])
    outcome = pd.DataFrame({"time_months": time, "state": state}, index=patients)
    return {"ct": Block("ct", table, "features")}, outcome


def four_of_noise(n: int, columns: int, seed: int) -> tuple[dict[str, Block], pd.DataFrame]:
    """Four blocks that say nothing, with draws of the ``ct``, of which every third depends on the
    mask, and outcomes.
    """
    blocks, outcome = noise(n, columns, seed)
    ct, rng = blocks["ct"].table, np.random.default_rng([seed, 1])
    numbers = {"clinical": 2, "slide": columns, "heterogeneity": 2}
    tables = {
        name: pd.DataFrame(rng.normal(size=(n, width)), index=ct.index).add_prefix(f"{name}_")
        for name, width in numbers.items()
    }
    found = blocks_of({name: ct if name == "ct" else tables[name] for name in KINDS})
    draws = drawn(ct, tuple(ct.columns[::3]), seed)
    return found | {"ct": replace(found["ct"], draws=draws)}, outcome
