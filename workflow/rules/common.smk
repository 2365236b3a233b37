"""Before the rules come the checked configuration, the slides, and functions that name files.

Nothing numerical happens here.
"""

import re
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError


include: "library.smk"


from histohet.clustering.settings import ClusteringSettings
from histohet.common.files import StorageError, read_json, write_json
from histohet.common.code import code_hash
from histohet.common.sheets import SheetError
from histohet.config import read_config
from histohet.slides.sheet import COMPANIONS, SLIDE_ID, missing_files, read_slide_sheet


def check_configuration(values, where="config"):
    """Check a configuration, and bring it into the form that parameters are compared in."""
    try:
        return read_config(values, where).canonical()
    except ValueError as error:
        raise WorkflowError(str(error)) from None


config = check_configuration(config)

try:
    SHEET = read_slide_sheet(config["slides"], config.get("patient_pattern"))
except SheetError as error:
    raise WorkflowError(f"slide sheet: {error}") from error

# What is missing is missing where the run began: a job on a machine that does not see a disk fails,
# and refuses no slide.
MISSING_AT_THE_BEGINNING = Path("results/preflight/missing.json")
if workflow.is_main_process:
    MISSING = missing_files(SHEET.slides.values())
else:
    MISSING = read_json(MISSING_AT_THE_BEGINNING)


onstart:
    try:
        write_json(MISSING_AT_THE_BEGINNING, MISSING)
    except StorageError as error:
        raise WorkflowError(str(error)) from None


SLIDES = list(SHEET.slides)
WITH_TRUTH = [
    slide
    for slide, row in SHEET.slides.items()
    if row.truth and row.truth not in MISSING
]
ENCODING = {k: v for k, v in config["encoding"].items() if k != "stage"}
HAS_CLINICAL = "clinical" in config
CLUSTERS = "results/clusters/{encoder}/{masking}/{procedure}/{slide}.h5"
MEASURES = "results/measures/{encoder}/{masking}/{procedure}/{slide}.json"
MAP = "results/maps/{variant}/{slide}.png"
THRESHOLD = "results/cohort/thresholds/{encoder}/{masking}/{procedure}"
EMBEDDING_TABLE = "results/slide_embeddings/{encoder}/{masking}/{pooling}.tsv"
STAIN_CLASS = 1  # the one class of the label images that segment_epithelium writes


def code_of(script):
    """Hash of a script and the library modules it uses; as a parameter of its rule, it reruns the
    rule when one of them changes. Computed for a job: each job parses all rules."""
    return lambda wildcards: code_hash(WORKFLOW / "scripts" / script, WORKFLOW)


def as_written(value):
    """Parameter that is what the user wrote, such as a pattern: braces in it are no wildcards."""
    return lambda wildcards: value


def get_row(wildcards):
    """Sheet row of a slide."""
    if wildcards.slide not in SHEET.slides:
        raise WorkflowError(f"slide '{wildcards.slide}' is not in {config['slides']}")
    return SHEET.slides[wildcards.slide]


def get_slide_values(wildcards):
    """What the sheet says of a slide itself, as plain values: nothing that may change, be filled in
    or move to another row while the slide stays."""
    row = get_row(wildcards)
    changing = dict.fromkeys((*COMPANIONS, "tissue_preset"))
    return asdict(replace(row, row=0, patient="", **changing))


def get_file(column):
    """Input function for one file column of the sheet; empty if not named or missing, which
    preflight reports."""

    def of_slide(wildcards):
        file = get_row(wildcards).files.get(column)
        return [] if file is None or file in MISSING else file

    return of_slide


def get_files(*columns):
    """Input function for what the sheet names for a slide in some columns."""

    def of_slide(wildcards):
        return [file for column in columns if (file := get_file(column)(wildcards))]

    return of_slide


def get_problems_of_files(wildcards):
    """What is wrong with the files that the sheet names for a slide. If they were right, the run
    stops before results that stand are replaced by their absence."""
    problems = get_row(wildcards).problems_of_files(MISSING)
    record = Path(f"results/preflight/slides/{wildcards.slide}.json")
    if problems and record.exists() and read_json(record)["status"] == "ok":
        raise WorkflowError(
            f"slide '{wildcards.slide}': {problems[0]}, but an earlier run has measured this slide. "
            f"Is the disk mounted, and the file right in {config['slides']}? To go on without the "
            f"slide, take it out of there; to have it refused, remove {record}"
        )
    return problems


def is_imported(slide):
    """Whether a slide brings finished features; it has no tissue, tiles or encoding of ours."""
    return slide in SHEET.slides and SHEET.slides[slide].features is not None


def get_tiles(wildcards):
    """Tiles of a slide: ours, or those of its finished features."""
    folder = "imported/tiles" if is_imported(wildcards.slide) else "tiles"
    return f"results/{folder}/{wildcards.slide}.h5"


def tile_picture_of(slide):
    """Picture of a slide with its tiles."""
    return f"results/{'imported/' if is_imported(slide) else ''}tiles/{slide}.jpg"


def thumbnail_of(slide):
    """Picture of a slide."""
    return f"results/{'imported/' if is_imported(slide) else ''}thumbnails/{slide}.jpg"


def has_attention(slide):
    """Whether there is tumour attention for a slide."""
    return FROM_CHIEF or SHEET.slides[slide].attention is not None


def get_stain_mask(wildcards):
    """Our own epithelium mask, for a slide that brings neither a mask nor features, if the
    configuration wants it."""
    own = (
        get_row(wildcards).mask is None
        and not is_imported(wildcards.slide)
        and config["epithelium"]["without_mask"] == "stain"
    )
    return f"results/epithelium/{wildcards.slide}.tif" if own else []


def get_mask_classes(wildcards):
    """Label classes that are epithelium in the mask of a slide."""
    own = get_row(wildcards).mask is None
    return [STAIN_CLASS] if own else config["epithelium"]["classes"]


def get_tissue_preset(wildcards):
    """Tissue preset of a slide: the sheet's, else the cohort's."""
    return get_row(wildcards).tissue_preset or config["tissue"]["preset"]


def get_tumour_scores(wildcards):
    """Tumour score per tile, of the slides that have attention."""
    return (
        f"results/tumour/{wildcards.slide}.h5" if has_attention(wildcards.slide) else []
    )
