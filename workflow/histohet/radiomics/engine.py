"""What an engine is: region in, named numbers out, and by whom and how they were computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from histohet.common.arrays import Bools
from histohet.common.outcome import SlideLost
from histohet.ct.prepare import Int16
from histohet.ct.settings import CtSettings
from histohet.radiomics.settings import RadiomicsSettings


class RegionError(SlideLost):
    """An engine has no features of a region; the message says why."""


@dataclass(frozen=True)
class Identity:
    """Who computed features, and how: features are comparable if this is the same.

    Attributes
    ----------
    engine
        Name and version.
    settings
        What the numbers depend on.
    """

    engine: str
    settings: Mapping[str, Any]

    def __str__(self) -> str:
        return ", ".join([self.engine, *map(_in_words, self.settings, self.settings.values())])


def _in_words(key: str, value: object) -> str:
    """Say a setting; those of other tools have any keys and values."""
    plain = f"{value:g}" if isinstance(value, float) else value
    words = {"bins": f"{plain} bins", "bin_width_hu": f"bins {plain} HU"}
    return words.get(key, f"{key} {plain}")


@dataclass(frozen=True)
class RegionImage:
    """What an engine gets.

    Attributes
    ----------
    image
        (Z, Y, X) int16, HU.
    inside
        (Z, Y, X) bool, at least one voxel.
    spacing
        mm (x, y, z).
    """

    image: Int16
    inside: Bools
    spacing: tuple[float, ...]


class Engine(Protocol):
    """Computes the features of a region."""

    identity: Identity

    def extract(self, region: RegionImage) -> dict[str, float]:
        """Return the features by name; NaN where one is not defined.

        Raises
        ------
        RegionError
            If the region has none.
        """


def settings_in_force(settings: RadiomicsSettings, ct: CtSettings) -> dict[str, Any]:
    """Return what the features of any engine depend on, as plain values."""
    plain, of_ct = settings.canonical(), ct.canonical()
    key = "bin_width_hu" if settings.bins is None else "bins"
    in_force = {
        key: plain[key],
        "spacing_mm": of_ct["spacing_mm"],
        "interpolation": of_ct["interpolation"],
        "range_hu": of_ct["range_hu"],
        "dimension": plain["dimension"],
    }
    if ct.outliers_sd is not None:
        in_force["outliers_sd"] = of_ct["outliers_sd"]
    if ct.keep != "all":
        in_force["keep"] = ct.keep
    return in_force


def counted_range(region: RegionImage, ct: CtSettings) -> tuple[float, float]:
    """Return between which HU voxels of a region count for intensity and texture.

    IBSI reference manual, section "Re-segmentation": the range, and of the voxels within it those
    that are no outliers.
    """
    low, high = ct.range_hu
    values = region.image[region.inside]
    values = values[(values >= low) & (values <= high)]
    if ct.outliers_sd is None or not len(values):
        return low, high
    reach = ct.outliers_sd * values.std()
    return max(low, float(values.mean() - reach)), min(high, float(values.mean() + reach))


def make_engine(settings: RadiomicsSettings, ct: CtSettings) -> Engine:
    """Return the engine that the settings name.

    Raises
    ------
    ModuleNotFoundError
        If it is not installed; the message says how to.
    """
    # Each is imported where it is wanted: few have both.
    if settings.engine == "paper":
        from histohet.radiomics.paper import PyRadiomics

        return PyRadiomics(settings, ct)
    from histohet.radiomics.z_rad import ZRad

    return ZRad(settings, ct)
