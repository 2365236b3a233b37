"""What became of the features: how many each filter left, and how often each was kept."""

from __future__ import annotations

import pandas as pd

from histohet.fusion.checklist.run import Run, span
from histohet.fusion.competing_risks import EVENT

STEPS = ("block", "step", "setting", "features")


def steps(run: Run) -> pd.DataFrame:
    """Return how many features of each block every filter left out, over all fits.

    Returns
    -------
    DataFrame
        `STEPS`; ``features``: their number, or the lowest and highest of all fits.
    """
    s, kept, fits = run.settings, run.tables["kept"], run.tables["fits"]
    rows: list[tuple[str, str, str, str]] = []
    for block, total in kept["block"].value_counts(sort=False).items():
        of_block = fits[(fits["block"] == block) & (fits["cause"] == EVENT)]
        one_each = of_block.drop_duplicates(["repeat", "fold"])
        others = total - one_each["unstable"] - one_each["columns"]
        repeated = [_setting("max_correlation", s.max_correlation)]
        repeated += [_setting("max_features", s.max_features)] if s.max_features else []
        counts = (
            ("in the table", "", [total]),
            ("left out: depend on the mask", _setting("min_icc", s.min_icc), one_each["unstable"]),
            ("left out: repeat others, do not vary", ", ".join(repeated), others),
            ("kept", "", one_each["columns"]),
        )
        rows += [(str(block), step, text, span(n)) for step, text, n in counts]
    return pd.DataFrame(rows, columns=list(STEPS))


def _setting(name: str, value: float | None) -> str:
    return f"{name}: null" if value is None else f"{name}: {value:g}"


def kept_features(run: Run) -> pd.DataFrame:
    """Return the features with the share of fits that kept each, the most often kept first.

    Returns
    -------
    DataFrame
        ``block``, ``column``, ``share`` and, of features that were extracted here, the lower end of
        the interval of ICC in all scans by each source of masks.
    """
    kept = run.tables["kept"].sort_values("share", ascending=False, kind="stable")
    if run.stability is None or run.stability.empty:
        return kept
    wide = run.stability.pivot_table(index="feature", columns="source", values="low", sort=False)
    return kept.join(wide.add_prefix("ICC from, by "), on="column")


def feature_sections(run: Run) -> dict[str, pd.DataFrame]:
    """Return the tables of the page by their headings."""
    n = run.settings.folds * run.settings.repeats
    return {
        f"Features at each step, in {n} fits": steps(run),
        "How often each feature was kept": kept_features(run),
    }
