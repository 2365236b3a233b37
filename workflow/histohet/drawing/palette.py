"""Colours of clusters, the same in maps, figures and QuPath."""

from __future__ import annotations

CLUSTER_COLOURS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#F0E442",
    "#334433",
    "#661155",
    "#BBEEBB",
    "#886677",
    "#0000EE",
    "#00EEFF",
    "#88BB77",
    "#881100",
    "#556644",
    "#BB3300",
    "#664455",
    "#114499",
    "#4488FF",
)
"""Colours of clusters 0, 1, …: Okabe and Ito (2008) without black, then 13 more, chosen so that any
two of the 20, white, black and `NEUTRAL` are at least 12 apart in CIELAB, to normal eyes and to
those that lack red, green or blue cones (simulated after Machado, Oliveira and Fernandes 2009)."""

NEUTRAL = "#D0D0D0"
"""Tiles without a cluster, or left out."""

Rgb = tuple[int, int, int]


def cluster_colour(label: int) -> str:
    """Return the colour of a cluster, as ``#RRGGBB``. Colours repeat from the 21st cluster on."""
    return CLUSTER_COLOURS[label % len(CLUSTER_COLOURS)]


def rgb(colour: str) -> Rgb:
    """Return red, green and blue of ``#RRGGBB``, 0 to 255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def cluster_rgb(label: int) -> Rgb:
    """Return the colour of a cluster as red, green and blue."""
    return rgb(cluster_colour(label))
