"""How a phantom cohort is generated: section `phantoms`."""

from __future__ import annotations

from pydantic import Field

from histohet.common.settings import Settings


class PhantomArraySettings(Settings):
    """Tissue microarrays instead of slides: cores that are punched from the tumours of a cohort."""

    n_arrays: int = Field(1, ge=1, description="Array slides; the patients are spread over them.")
    diameter_um: float = Field(1000.0, ge=200, le=2000, description="Diameter of the cores, µm.")
    blocks: int = Field(
        2, ge=1, le=6, description="Blocks side by side, each with one core of every patient."
    )
    columns: int = Field(4, ge=2, description="Columns of a block.")
    tilt_degrees: float = Field(
        6.0, ge=0, le=25, description="Arrays are turned by so much, to the left or right."
    )
    missing: float = Field(0.1, ge=0, le=0.5, description="Share of the cores that are lost.")


class PhantomScanSettings(Settings):
    """CTs with a planted tumour beside the slides, and metachronous metastasis as the event."""

    ct_hazard_ratio: float = Field(
        2.0,
        gt=0,
        description="The hazard of the metastasis is multiplied by it with every standard "
        "deviation of the factor that shape and texture of the tumour on CT carry.",
    )
    grade_hazard_ratio: float = Field(
        2.0, gt=0, description="As much for the nuclear grade, which the slide shows."
    )
    age_hazard_ratio: float = Field(1.5, gt=0, description="As much per decade of age.")
    missing_ct: float = Field(0.2, ge=0, lt=1, description="Share of patients without a CT.")
    missing_slide: float = Field(0.2, ge=0, lt=1, description="Share of patients without a slide.")
    unread: float = Field(
        0.5, ge=0, le=1, description="Share of the scans whose mask no reader has drawn."
    )
    second_reader: float = Field(
        0.2, ge=0, le=1, description="Share of the scans with a mask that have one of another too."
    )
    training: int = Field(
        8, ge=2, description="Scans of other patients to train a segmentation, as nnU-Net wants."
    )


class PhantomSettings(Settings):
    """How a phantom cohort is generated (workflow/phantoms.smk)."""

    n_slides: int = Field(ge=1, description="Slides, one per patient.")
    epithelial_tiles: int = Field(
        ge=1, description="Least number of 112 µm tiles per slide with more than 1/4 epithelium."
    )
    max_subclones: int = Field(
        6, ge=1, le=6, description="Slides have 1 to so many subclones, each as often."
    )
    seed: int = Field(ge=0, description="Seed of the cohort: the same seed, the same slides.")
    hazard_ratio: float = Field(
        1.8,
        gt=0,
        description="The hazard is multiplied by it with every subclone beyond the first.",
    )
    separation: float = Field(
        1.0,
        ge=0,
        le=2,
        description="How much the subclones of a slide differ: at 1 each has a growth pattern of "
        "its own, clear to the eye but not in every tile; 0 makes them alike.",
    )
    share_40x: float = Field(
        0.25,
        ge=0,
        le=1,
        description="Share of slides scanned at 40x (0.25 µm/px); the others are 20x.",
    )
    arrays: PhantomArraySettings | None = Field(
        None, description="Arrays of cores, punched from tissue that is not rendered itself."
    )
    scans: PhantomScanSettings | None = Field(
        None, description="CTs of the patients, of whom some then lack a slide."
    )
