"""What jobs ask a cluster for, by the size of their slides; docs/cluster.md has the fits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache
from math import ceil
from pathlib import Path

from histohet.slides.files import DICOM, GZIP, LARGEST_GEOJSON, ZIP, files_of, is_geojson
from histohet.tiles.settings import TileSpec
from plan.interface import Wildcards, with_signature
from plan.slides import Slides

IMPORTED_TILES_PER_MB = 200
"""Upper end of what was seen of finished features: 1,280 numbers of 32 bits per tile."""

PARSED_MASK = 12
"""MB of memory that a process needs per MB of a GeoJSON mask."""

PACKED = 8
"""Size of GeoJSON over that of its gzip or zip."""

Amount = float | Callable[[Wildcards], float]
"""What jobs ask for: all of a rule the same, or each by its wildcards."""


class Resources:
    """Estimates of the work, known before anything ran, without opening thousands of slides.

    Parameters
    ----------
    slides
        The slides.
    tiles
        Their tiles.
    """

    def __init__(self, slides: Slides, tiles: TileSpec) -> None:
        self._slides = slides
        # Upper end of what was seen at 20x, with tissue from edge to edge and a tile every 112 µm.
        self._tiles_per_mb = 50 * (112 / (tiles.tile_um - tiles.overlap_um)) ** 2
        self._regions = Counter(row.path for row in slides.rows.values() if row.region)
        self._dicom = Counter(
            Path(row.path).parent
            for row in slides.rows.values()
            if row.path and Path(row.path).suffix.lower() == DICOM
        )
        self.tiles_of = cache(self._tiles_of)

    def growing(
        self,
        base: Amount,
        per_1000_tiles: Amount = 0,
        per_1000_slides: Amount = 0,
        per_mb_of_geojson: Amount = 0,
        pooled: bool | Callable[[Wildcards], bool] = False,
    ) -> Callable[[Wildcards, int, int], int]:
        """Return the amount of a resource for a job.

        Parameters
        ----------
        base
            For every job.
        per_1000_tiles
            More for the size of its slide, or of the slides of its patient.
        per_1000_slides
            More for the size of the cohort.
        per_mb_of_geojson
            More for the mask of its slide, which each of its threads reads.
        pooled
            Whether a patient stands where a slide stands.
        """

        @with_signature
        def of_job(wildcards: Wildcards, attempt: int, threads: int = 1) -> int:
            def asked(amount: Amount) -> float:
                return amount(wildcards) if callable(amount) else amount

            amount = asked(base) + asked(per_1000_slides) * len(self._slides.rows) / 1000
            if more := asked(per_1000_tiles):
                of_patient = pooled(wildcards) if callable(pooled) else pooled
                unit = wildcards.slide
                slides = self._slides.patients[unit] if of_patient else [unit]
                amount += more * sum(map(self.tiles_of, slides)) / 1000
            if more := asked(per_mb_of_geojson):
                amount += more * threads * self.geojson_mb(wildcards.slide)
            return ceil(amount) << attempt - 1

        return of_job

    def _tiles_of(self, slide: str) -> float:
        """Tiles of a slide, guessed from the size of its files."""
        row = self._slides.rows[slide]
        if row.features:
            return _sizes_mb(row.features)[0] * IMPORTED_TILES_PER_MB
        if row.path is None:
            return 0
        own, *others = _sizes_mb(row.path)
        # Which DICOM files of a folder are whose only they say: its slides get equal shares.
        shared_by = max(self._dicom[Path(row.path).parent], 1)
        size_mb = own + sum(others) / shared_by
        # Nor how large regions are beside their file, which has no more tissue than they.
        return size_mb / (self._regions[row.path] if row.region else 1) * self._tiles_per_mb

    def geojson_mb(self, slide: str) -> float:
        """Size of the polygons of a mask that a slide brings; what is larger is refused unread."""
        mask = self._slides.rows[slide].mask
        if not mask or not is_geojson(mask):
            return 0
        packed = Path(mask).suffix.lower() in {GZIP, ZIP}
        return min(_sizes_mb(mask)[0] * (PACKED if packed else 1), LARGEST_GEOJSON / 1e6)


def _sizes_mb(path: str) -> list[float]:
    """Size of a file and of what belongs to it.

    Nothing if it is not there or cannot be reached, which is for the jobs to say.
    """
    try:
        return [file.stat().st_size / 1e6 for file in files_of(Path(path))]
    except OSError:
        return [0]
