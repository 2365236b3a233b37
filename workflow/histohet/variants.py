"""Variants of the method: a name for one changed factor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Masking = Literal["masked", "whole"]
Procedure = Literal["potts", "unsmoothed", "paper"]


@dataclass(frozen=True)
class Variant:
    """One way through the method.

    Attributes
    ----------
    masking
        ``masked``: epithelial tiles, encoded with everything else blanked; ``whole``: all tissue
        tiles as they are.
    procedure
        ``potts``: clusters smoothed over the slide; ``unsmoothed``: neighbours do not attract each
        other's labels; ``paper``: the published clustering, whatever the settings.
    tumour_filter
        Whether only clusters above the cohort's tumour threshold count.
    """

    masking: Masking = "masked"
    procedure: Procedure = "potts"
    tumour_filter: bool = True


VARIANTS: dict[str, Variant] = {
    "full": Variant(),
    "no_mask": Variant(masking="whole"),
    "no_potts": Variant(procedure="unsmoothed"),
    "no_tumor_filter": Variant(tumour_filter=False),
    "paper": Variant(procedure="paper"),
}
"""The method, its ablations (HETMAP), and the published clustering; each changes one factor."""
