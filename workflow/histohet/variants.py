"""Variants of the method: a name for one changed factor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Masking = Literal["masked", "whole"]
Smoothing = Literal["potts", "unsmoothed"]


@dataclass(frozen=True)
class Variant:
    """One way through the method.

    Attributes
    ----------
    masking
        ``masked``: epithelial tiles, encoded with everything else blanked; ``whole``: all tissue
        tiles as they are.
    smoothing
        ``potts``: clusters smoothed over the slide; ``unsmoothed``: k-means and merging alone.
    tumour_filter
        Whether only clusters above the cohort's tumour threshold count.
    """

    masking: Masking = "masked"
    smoothing: Smoothing = "potts"
    tumour_filter: bool = True


VARIANTS: dict[str, Variant] = {
    "full": Variant(),
    "no_mask": Variant(masking="whole"),
    "no_potts": Variant(smoothing="unsmoothed"),
    "no_tumor_filter": Variant(tumour_filter=False),
}
"""The method and its ablations (HETMAP), each changing one factor."""
