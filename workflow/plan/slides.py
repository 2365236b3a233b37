"""The slides of a run: what the sheet says of them, and where each step finds their files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from histohet.common.files import read_json
from histohet.common.settings import explain
from histohet.config import Config
from histohet.slides.sheet import (
    BY_CAPITALS,
    COMPANIONS,
    SlideRow,
    SlideSheet,
    alike,
    problem_of_id,
)
from histohet.tissue.settings import TissueSettings
from plan import paths
from plan.interface import Files, Input, PlanError, Wildcards, with_signature


@with_signature
class Slides:
    """The slides of the sheet.

    Parameters
    ----------
    sheet
        The sheet.
    missing
        What is wrong with files that the sheet names and that are not there.
    config
        The configuration.

    Attributes
    ----------
    rows
        Rows of the sheet, by slide.
    owners
        Patient of every slide.
    patients
        Slides of every patient.
    with_truth
        Slides of which a truth is known.
    with_attention
        Slides that have tumour attention: the sheet's, or CHIEF's.

    stain_class
        The one class of the label images that our own segmentation of epithelium writes.

    Raises
    ------
    PlanError
        If the configuration needs attention, and no slide has any.
    """

    stain_class = 1

    def __init__(self, sheet: SlideSheet, missing: Mapping[str, str], config: Config) -> None:
        self.rows = sheet.slides
        self._duplicates = sheet.duplicates
        self._missing = missing
        self._config = config
        self.from_chief = config.attention is not None and config.attention.source == "chief"
        self.with_truth = {
            slide: row.truth
            for slide, row in self.rows.items()
            if row.truth and row.truth not in missing
        }
        self.with_attention = [slide for slide in self.rows if self.has_attention(slide)]
        self.owners = {slide: row.patient for slide, row in self.rows.items()}
        self.patients: dict[str, list[str]] = {}
        for slide, patient in self.owners.items():
            self.patients.setdefault(patient, []).append(slide)
        self._check_attention()

    def _check_attention(self) -> None:
        if "attention" in self._config.slide_embeddings and not self.with_attention:
            raise PlanError(
                "config, slide_embeddings: 'attention' weighs tiles by tumour attention, but no "
                "slide has any: name files in the sheet's column `attention`, or set "
                "attention.from to chief"
            )
        sections = {"added_value": self._config.added_value, "fusion": self._config.fusion}
        for key, section in sections.items():
            if section and section.pooling == "attention" and not self.with_attention:
                raise PlanError(
                    f"config, {key}.pooling: 'attention' weighs tiles by tumour attention, but no "
                    "slide has any"
                )

    def check_patients_name_files(self, variant: str) -> None:
        """Check that patients can name files, as they do under a variant that pools their slides.

        Raises
        ------
        PlanError
            If one cannot, or would name those of another.
        """
        problems = [
            *(problem for patient in self.patients if (problem := problem_of_id(patient))),
            *(
                f"'{one}' differs from '{other}' {BY_CAPITALS}"
                for one, other in alike(self.patients)
            ),
        ]
        if problems:
            raise PlanError(
                f"config, variant '{variant}': patients name files where slides are pooled, but "
                f"patient {problems[0]}"
            )

    @property
    def imported(self) -> list[str]:
        """Slides that bring finished features."""
        return [slide for slide in self.rows if self.is_imported(slide)]

    @property
    def segmented(self) -> list[str]:
        """Slides whose tissue is found here."""
        return [slide for slide in self.rows if not self.is_imported(slide)]

    @property
    def masked(self) -> list[str]:
        """Slides that bring a mask."""
        return [
            slide for slide, row in self.rows.items() if row.mask and row.mask not in self._missing
        ]

    @property
    def stained(self) -> list[str]:
        """Slides without a mask whose epithelium the stain tells."""
        if self._config.epithelium.without_mask != "stain":
            return []
        return [slide for slide in self.segmented if self.rows[slide].mask is None]

    @property
    def drawn_masks(self) -> list[str]:
        """Slides whose mask is drawn: the one that they bring, or the one that we make."""
        drawn = {*self.stained, *self.masked}
        return [slide for slide in self.rows if slide in drawn]

    @property
    def cores(self) -> list[str]:
        """Slides that are cores of tissue microarrays: regions of a file, or of known diameter."""
        return [slide for slide, row in self.rows.items() if row.region or row.core_diameter_um]

    def is_imported(self, slide: str) -> bool:
        """Whether a slide brings finished features; it has no tissue, tiles or encoding of ours."""
        row = self.rows.get(slide)
        return row is not None and row.features is not None

    def has_attention(self, slide: str) -> bool:
        """Whether there is tumour attention for a slide."""
        return self.from_chief or self.rows[slide].attention is not None

    # --- what a job is about ---------------------------------------------------------------------

    def row(self, wildcards: Wildcards) -> SlideRow:
        """Sheet row of a slide."""
        if wildcards.slide not in self.rows:
            raise PlanError(f"slide '{wildcards.slide}' is not in {self._config.slides}")
        return self.rows[wildcards.slide]

    def values(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what the sheet says of a slide itself, as plain values.

        Nothing that may change, be filled in or move to another row while the slide stays.
        """
        row = self.row(wildcards)
        changing = dict.fromkeys((*COMPANIONS, "tissue_preset"))
        return asdict(row) | {"row": 0, "patient": ""} | changing

    def duplicate_rows(self, wildcards: Wildcards) -> tuple[int, ...]:
        """Rows of the sheet that share the id of a slide."""
        return self._duplicates.get(wildcards.slide, ())

    def problems_of_files(self, wildcards: Wildcards) -> list[str]:
        """Say what is wrong with the files that the sheet names for a slide.

        If they were right, the run stops before results that stand are replaced by their absence.
        """
        problems = self.row(wildcards).problems_of_files(self._missing)
        record = Path(paths.RECORD.format(slide=wildcards.slide))
        if problems and record.exists() and read_json(record)["status"] == "ok":
            raise PlanError(
                f"slide '{wildcards.slide}': {problems[0]}, but an earlier run has measured this "
                f"slide. Is the disk mounted, and the file right in {self._config.slides}? To go "
                f"on without the slide, take it out of there; to have it refused, remove {record}"
            )
        return problems

    def tissue(self, wildcards: Wildcards) -> dict[str, Any]:
        """How the tissue of a slide is found: by the preset of the sheet, else of the cohort."""
        row = self.row(wildcards)
        values = self._config.tissue.canonical()
        values["preset"] = row.tissue_preset or values["preset"]
        try:
            return TissueSettings(**values).parameters.canonical()
        except ValidationError as error:
            where = f"{self._config.slides}, tissue of slide '{row.slide}'"
            raise PlanError(explain(error, values, where)) from None

    @property
    def tile_size(self) -> dict[str, Any]:
        """Size of the tiles, apart from which of them are kept."""
        return self._config.tiles.size.canonical()

    def mask_rules(self, wildcards: Wildcards) -> dict[str, Any]:
        """Say what of the mask of a slide is epithelium: of its own, or of the one that we make."""
        if self.row(wildcards).mask is None:
            return {"classes": [self.stain_class], "origin": "region"}
        epithelium = self._config.epithelium
        return {
            "classes": list(epithelium.classes),
            "class_names": list(epithelium.class_names),
            "excluded_names": list(epithelium.excluded_names),
            "origin": epithelium.mask_origin,
        }

    def sheet(self, wildcards: Wildcards) -> str:
        """Return the slide sheet.

        Raises
        ------
        PlanError
            If it has yet to be made, of the cores that are found on arrays, or there are scans
            alone.
        """
        if not self.rows and self._config.tma is None:
            raise PlanError(
                f"config, slides: {self._config.slides} does not exist; without slides there are "
                "`snakemake radiomics`, and `snakemake fusion` of blocks that need none"
            )
        if not self.rows:
            raise PlanError(
                f"config, slides: {self._config.slides} is not there yet. Its rows are made by "
                "`snakemake dearray`: run it, look at results/tma/<array>/overview.jpg, then copy "
                f"results/tma/slides.tsv to {self._config.slides} (docs/cores.md)"
            )
        return self._config.slides

    # --- files -----------------------------------------------------------------------------------

    def file(self, column: str) -> Input:
        """File that the sheet names for a slide in a column; one that is missing is preflight's."""
        return lambda wildcards: next(iter(self._existing(wildcards, (column,))), [])

    def files(self, *columns: str) -> Input:
        """Files that the sheet names for a slide in some columns."""
        return lambda wildcards: self._existing(wildcards, columns)

    def _existing(self, wildcards: Wildcards, columns: Iterable[str]) -> list[str]:
        named = self.row(wildcards).files
        files = (named[column] for column in columns if column in named)
        return [file for file in files if file not in self._missing]

    def tiles(self, wildcards: Wildcards) -> str:
        """Tiles of a slide, see `tiles_of`."""
        return self.tiles_of(wildcards.slide)

    def tiles_of(self, slide: str) -> str:
        """Tiles of a slide: ours, or those of its finished features."""
        pattern = paths.IMPORTED_TILES if self.is_imported(slide) else paths.TILES
        return pattern.format(slide=slide)

    def tile_picture(self, slide: str) -> str:
        """Picture of a slide with its tiles."""
        imported = self.is_imported(slide)
        pattern = paths.IMPORTED_TILE_PICTURE if imported else paths.TILE_PICTURE
        return pattern.format(slide=slide)

    def thumbnail(self, slide: str) -> str:
        """Picture of a slide."""
        imported = self.is_imported(slide)
        pattern = paths.IMPORTED_THUMBNAIL if imported else paths.THUMBNAIL
        return pattern.format(slide=slide)

    def stain_mask(self, wildcards: Wildcards) -> Files:
        """Our own epithelium mask, if the configuration wants it.

        Only for a slide that brings neither a mask nor features.
        """
        own = (
            self.row(wildcards).mask is None
            and not self.is_imported(wildcards.slide)
            and self._config.epithelium.without_mask == "stain"
        )
        return paths.STAIN_MASK.format(slide=wildcards.slide) if own else []

    def tumour_scores(self, wildcards: Wildcards) -> Files:
        """Tumour score per tile, of a slide that has attention."""
        known = self.has_attention(wildcards.slide)
        return paths.TUMOUR_SCORES.format(slide=wildcards.slide) if known else []

    def attention(self, wildcards: Wildcards) -> Files:
        """Tumour attention of a slide as CSV: a file that the sheet names wins over CHIEF."""
        if self._is_scored_by_chief(wildcards):
            return paths.CHIEF_TABLE.format(slide=wildcards.slide)
        return self.file("attention")(wildcards)

    def chief_scores(self, wildcards: Wildcards) -> Files:
        """File that says why CHIEF gave a slide no attention; none if the sheet brings it."""
        own = self._is_scored_by_chief(wildcards)
        return paths.CHIEF_SCORES.format(slide=wildcards.slide) if own else []

    def _is_scored_by_chief(self, wildcards: Wildcards) -> bool:
        return self.from_chief and self.row(wildcards).attention is None
