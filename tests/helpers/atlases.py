"""A small cohort on disk, and the atlas of it, without running the workflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from helpers.lattices import lattice
from helpers.tiletables import tile_table
from histohet.atlas.cohort import AnalysisTables, VariantTables, cohort_data
from histohet.atlas.data import call_text
from histohet.atlas.slide import DATA, SlideFiles, copy_picture, make_page, write_page
from histohet.atlas.static import copy_pages
from histohet.clinical.table import ClinicalTable
from histohet.clustering.file import ClusteredTiles, write_clusters
from histohet.clustering.result import Certainty, Clustering
from histohet.clustering.settings import ClusteringSettings
from histohet.cohort.select import build_cohort
from histohet.cohort.settings import AnalysisSettings
from histohet.common.outcome import OK, Outcome, Status
from histohet.common.provenance import Provenance
from histohet.features.file import feature_file
from histohet.slides.record import SlideRecord, write_record
from histohet.slides.thumbnail import THUMBNAIL_PX
from histohet.survival.endpoint import analyse_endpoints
from histohet.survival.estimates import curves_of, estimates_of
from histohet.survival.settings import StatisticsSettings
from histohet.tiles.file import no_tiles, write_column, write_tiles

MPP, PITCH = 0.5, 224
FOLDER = "stain/masked/potts"
PROVENANCE = Provenance({"made": "for a test"})

HOSTILE = "</script><img src=x onerror=alert(1)>\"'`&\u2028\u2029\0${1}" + "long " * 2000
"""What a cell of a clinical table can be."""

ANALYSIS = AnalysisSettings(name="main", grouping="median")


NO_REGIONS = pd.DataFrame(columns=["path", "file_width"])
"""What preflight says of no slide."""


class Cohort:
    """Files of a cohort in a folder, as the workflow leaves them, and its atlas in ``atlas``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.atlas = folder / "atlas"
        self.rows: list[dict[str, Any]] = []
        self.clusters: list[dict[str, Any]] = []

    def file(self, kind: str, slide: str) -> Path:
        """Where a file of a slide is."""
        suffix = {"record": "json", "slide": "png", "thumbnail": "png", "truth": "tsv"}
        return self.folder / kind / f"{slide}.{suffix.get(kind, 'h5')}"

    def add(
        self,
        slide: str,
        *,
        columns: int = 12,
        rows: int = 9,
        n_clusters: int = 3,
        attention: bool = True,
        pixels: bool = True,
        patient: str | None = None,
    ) -> None:
        """Add a slide: stripes of clusters, an outlier, and a column of tiles in no cluster."""
        rng = np.random.default_rng(len(self.rows))
        coords = lattice(columns, rows, PITCH) + PITCH
        size = ((columns + 2) * PITCH, (rows + 2) * PITCH)
        tiles = tile_table(coords, MPP, size)
        index = np.flatnonzero(coords[:, 0] > PITCH) if columns > 1 else np.arange(len(coords))
        labels = ((coords[index, 0] // PITCH) % n_clusters).astype(np.int32)
        if len(index) > 1:
            labels[-1] = -1
        agreement = rng.random(len(index)).astype(np.float32)
        agreement[labels < 0] = np.nan
        found = Clustering(
            ClusteringSettings(),
            start=np.where(labels < 0, -1, (labels * 2 + index % 2)).astype(np.int32),
            raw=np.where(labels < 0, -1, rng.permutation(np.maximum(labels, 0))).astype(np.int32),
            labels=labels,
            agreement=agreement,
            steps=(),
            certainty=Certainty(-2.0, -2.0, 0.0, 1.0, 0.9, n_clusters, n_clusters),
            notes=(),
        )
        for kind in ("tiles", "coverage", "tumour", "clusters", "features", "record", "thumbnail"):
            (self.folder / kind).mkdir(parents=True, exist_ok=True)
        write_tiles(self.file("tiles", slide), tiles, PROVENANCE)
        for kind, name in (("coverage", "coverage"), ("tumour", "tumour_score")):
            values = rng.random(len(coords)).astype(np.float32)
            write_column(self.file(kind, slide), name, values, OK, PROVENANCE)
        clustered = ClusteredTiles(tiles.only(index), index, found)
        write_clusters(self.file("clusters", slide), clustered, PROVENANCE)
        with feature_file(
            self.file("features", slide), tiles, index, 4, "made", PROVENANCE
        ) as features:
            features.append(rng.random((len(index), 4)).astype(np.float32))
        record = SlideRecord(slide, f"{slide}.png", width=size[0], height=size[1], mpp=MPP)
        write_record(self.file("record", slide), record)
        if pixels:
            self.file("slide", slide).parent.mkdir(exist_ok=True)
            picture_of(*size).save(self.file("slide", slide))
        shrink = max(4, max(size) / THUMBNAIL_PX)
        thumbnail = picture_of(round(size[0] / shrink), round(size[1] / shrink))
        thumbnail.save(self.file("thumbnail", slide))
        sizes = np.bincount(labels[labels >= 0], minlength=n_clusters)
        scores = np.linspace(1, 0, n_clusters)
        self.clusters += [
            {
                "slide": slide,
                "cluster": number,
                "n_tiles": int(n),
                "tumour_score": float(scores[number]) if attention else np.nan,
                "counted": not attention or number + 1 < max(n_clusters, 2),
            }
            for number, n in enumerate(sizes.tolist())
        ]
        number = len(self.rows)
        self.rows.append(
            {
                "slide": slide,
                "patient": patient or f"patient_{number}",
                "status": "ok",
                "reason": "",
                "n_clusters": n_clusters,
                "n_tiles": len(index),
                "hti_observed": float(rng.random()),
                "hta": float(rng.random()) if number % 3 else np.nan,
                "attention": attention,
            }
        )

    def refuse(self, slide: str, reason: str) -> None:
        """Add a slide that gave no result."""
        outcome = Outcome(Status.REFUSED, reason)
        for kind in ("tiles", "coverage", "clusters", "record", "thumbnail"):
            (self.folder / kind).mkdir(parents=True, exist_ok=True)
        nothing = no_tiles(slide, outcome)
        empty = np.empty(0, np.int32)
        write_tiles(self.file("tiles", slide), nothing, PROVENANCE)
        write_column(
            self.file("coverage", slide), "coverage", empty.astype(np.float32), outcome, PROVENANCE
        )
        found = Clustering(
            ClusteringSettings(), empty, empty, empty, empty.astype(np.float32), (), Certainty(), ()
        )
        clustered = ClusteredTiles(nothing, empty.astype(np.int64), found)
        write_clusters(self.file("clusters", slide), clustered, PROVENANCE)
        refused = SlideRecord(slide, None, status=Status.REFUSED, reason=reason)
        write_record(self.file("record", slide), refused)
        Image.new("RGB", (64, 48), "grey").save(self.file("thumbnail", slide))
        self.rows.append(
            {
                "slide": slide,
                "patient": f"patient_{len(self.rows)}",
                "status": "refused",
                "reason": reason,
                "attention": False,
            }
        )

    @property
    def table(self) -> pd.DataFrame:
        """The table of slides."""
        columns = ("slide", "patient", "status", "reason", "n_clusters", "n_tiles", "hti_observed")
        table = pd.DataFrame(self.rows, columns=[*columns, "hta"])
        return table.astype({"n_clusters": "Int64", "n_tiles": "Int64"})

    @property
    def tables(self) -> VariantTables:
        """What the variant ``full`` found, without clinical tables."""
        columns = ["slide", "cluster", "n_tiles", "tumour_score", "counted"]
        clusters = pd.DataFrame(self.clusters, columns=columns)
        return VariantTables("full", False, FOLDER, True, self.table, clusters)

    def analysis(self, extra: Mapping[str, Any] | None = None) -> AnalysisTables:
        """Analyse survival; `extra` are cells of the column ``stage``, by patient."""
        table = self.table
        rng = np.random.default_rng(1)
        patients = table["patient"].drop_duplicates()
        frame = pd.DataFrame(
            {
                "patient": patients,
                "OS_months": rng.integers(1, 30, len(patients)).astype(float),
                "OS_event": pd.array(rng.integers(0, 2, len(patients)), "Int8"),
            }
        )
        cohort = build_cohort(table, ClinicalTable(frame, pd.DataFrame()), ANALYSIS)
        found = analyse_endpoints(
            cohort.patients, ANALYSIS, StatisticsSettings(permutations=99), seed=1
        )
        about = {"analysis": "main", "variant": "full", "score": ANALYSIS.score}
        shown = cohort.patients
        if extra:
            shown = shown.assign(stage=shown["patient"].map(extra))
        return AnalysisTables(
            "main", ANALYSIS.score, shown, estimates_of(found, **about), curves_of(found)
        )

    def write_slides(self, exemplars: int = 2, scans: Mapping[str, Path] | None = None) -> None:
        """Write the folders of all slides; `scans` are pictures of the CT of all."""
        for row in self.rows:
            slide, ok = row["slide"], row["status"] == "ok"
            folder = self.atlas / "slides" / FOLDER / slide
            folder.mkdir(parents=True, exist_ok=True)
            pixels = self.file("slide", slide)
            files = SlideFiles(
                clusters=str(self.file("clusters", slide)),
                coverage=str(self.file("coverage", slide)),
                tiles=str(self.file("tiles", slide)),
                record=str(self.file("record", slide)),
                slide=str(pixels) if pixels.exists() else None,
                features=str(self.file("features", slide)) if ok else None,
                tumour=str(self.file("tumour", slide)) if row["attention"] else None,
            )
            page = make_page(slide, files, (), exemplars, folder)
            picture = copy_picture(self.file("thumbnail", slide), folder)
            shown = {
                scan: copy_picture(file, folder, f"scan_{scan}.webp")
                for scan, file in (scans or {}).items()
            }
            write_page(folder, f"{FOLDER}/{slide}", page, picture, shown)

    def write_cohort(
        self,
        *analyses: AnalysisTables,
        columns: list[str] | None = None,
        preflight: pd.DataFrame | None = None,
        zoomed: Sequence[str] = (),
    ) -> Path:
        """Write the data of the cohort and the page; return the page."""
        if preflight is None:
            preflight = pd.DataFrame([asdict(SlideRecord(row["slide"], None)) for row in self.rows])
            preflight = preflight if len(preflight) else NO_REGIONS
        tables = VariantTables(**{**self.tables.__dict__, "analyses": analyses})
        data = cohort_data([tables], preflight, columns, zoomed)
        self.atlas.mkdir(parents=True, exist_ok=True)
        (self.atlas / "cohort.js").write_text(call_text("cohort", data))
        copy_pages(self.atlas / "index.html", self.atlas / "static")
        return self.atlas / "index.html"


def picture_of(width: int, height: int) -> Image.Image:
    """Return a grey picture that tells where its pixels are: lighter to the right and below."""
    across = np.linspace(150, 230, width)[None, :, None]
    down = np.linspace(150, 230, height)[:, None, None]
    return Image.fromarray(np.repeat(((across + down) / 2).astype(np.uint8), 3, axis=2))


def data_of(cohort: Cohort, slide: str) -> Path:
    """The file of data of a slide."""
    return cohort.atlas / "slides" / FOLDER / slide / DATA
