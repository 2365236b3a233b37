"""Colours of all figures and of QuPath; apart from their style, which loads matplotlib."""

from __future__ import annotations

from collections.abc import Mapping

from histohet.common.resources import read_resource

Rgb = tuple[int, int, int]

_PALETTE = read_resource("palette")
CLUSTER_COLOURS: tuple[str, ...] = tuple(_PALETTE["clusters"])
GROUP_COLOURS: Mapping[str, str] = _PALETTE["groups"]
OUTLIERS: str = _PALETTE["outliers"]
NEUTRAL: str = _PALETTE["neutral"]
INK: str = _PALETTE["ink"]
FAINT: str = _PALETTE["faint"]


def cluster_colour(label: int) -> str:
    """Return the colour of a cluster, as ``#RRGGBB``; of a label below 0, that of outliers.

    Colours repeat from the 21st cluster on.
    """
    return CLUSTER_COLOURS[label % len(CLUSTER_COLOURS)] if label >= 0 else OUTLIERS


def rgb(colour: str) -> Rgb:
    """Return red, green and blue of ``#RRGGBB``, 0 to 255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def cluster_rgb(label: int) -> Rgb:
    """Return `cluster_colour` as red, green and blue."""
    return rgb(cluster_colour(label))
