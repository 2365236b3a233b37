"""Before the rules come the checked configuration, the slides, and functions that name files.

Nothing numerical happens here.
"""

import sys
from dataclasses import asdict
from functools import cache
from pathlib import Path

from jsonschema import ValidationError
from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

WORKFLOW = Path(workflow.basedir)
sys.path.insert(0, str(WORKFLOW))

from histohet.encoders.catalogue import entry_of
from histohet.provenance import code_hash
from histohet.sheets import SLIDE_ID, SheetError, read_slide_sheet
from histohet.variants import VARIANTS

try:
    validate(config, "../schemas/config.schema.yaml")
except WorkflowError as error:
    # Snakemake's own message repeats the whole schema after the cause.
    cause = error.__context__
    if not isinstance(cause, ValidationError):
        raise
    key = cause.json_path.removeprefix("$").removeprefix(".") or "top level"
    raise WorkflowError(f"config, {key}: {cause.message}") from None

try:
    SHEET = read_slide_sheet(config["slides"], config.get("patient_pattern"))
except SheetError as error:
    raise WorkflowError(f"slide sheet: {error}") from error

try:
    NEEDS_TORCH = entry_of(config["encoder"]).needs_torch
except ValueError as error:
    raise WorkflowError(f"config, encoder: {error}") from error

SLIDES = list(SHEET.slides)
WITH_TRUTH = [slide for slide, row in SHEET.slides.items() if row.truth]
ENCODING = {k: v for k, v in config["encoding"].items() if k != "stage"}
HAS_CLINICAL = "clinical" in config
COMPARED = {"configured": config["variants"], "all": list(VARIANTS)}
CLUSTERS = "results/clusters/{masking}/{procedure}/{slide}.h5"
MEASURES = "results/measures/{masking}/{procedure}/{slide}.json"
EMBEDDING_TABLE = "results/slide_embeddings/{encoder}/{masking}/{pooling}.tsv"
STAIN_CLASS = 1  # the one class of the label images that segment_epithelium writes


wildcard_constraints:
    slide=SLIDE_ID.pattern,
    encoder=r"[A-Za-z0-9][A-Za-z0-9_-]*",
    masking="masked|whole",
    procedure="potts|unsmoothed|paper",
    pooling="mean|attention|chief",
    compared="|".join(COMPARED),
    variant="|".join(VARIANTS),


@cache
def code_of(script):
    """Hash of a script and the library modules it uses; as a parameter of its rule, it reruns the
    rule when one of them changes."""
    return code_hash(WORKFLOW / "scripts" / script, WORKFLOW)


def get_row(wildcards):
    """Sheet row of a slide."""
    if wildcards.slide not in SHEET.slides:
        raise WorkflowError(f"slide '{wildcards.slide}' is not in {config['slides']}")
    return SHEET.slides[wildcards.slide]


def get_row_values(wildcards):
    """Sheet row of a slide as plain values, without its place in the sheet."""
    return asdict(get_row(wildcards)) | {"row": 0}


def get_named_files(wildcards):
    """Files the sheet names for a slide. One that is missing is no input: preflight reports it."""
    return [file for file in get_row(wildcards).files.values() if Path(file).is_file()]


def get_file(column):
    """Input function for one file column of the sheet; empty if not named or missing."""

    def of_slide(wildcards):
        file = get_row(wildcards).files.get(column)
        return file if file and Path(file).is_file() else []

    return of_slide


def is_imported(slide):
    """Whether a slide brings finished features; it has no tissue, tiles or encoding of ours."""
    return slide in SHEET.slides and SHEET.slides[slide].features is not None


def get_tiles(wildcards):
    """Tiles of a slide: ours, or those of its finished features."""
    folder = "imported/tiles" if is_imported(wildcards.slide) else "tiles"
    return f"results/{folder}/{wildcards.slide}.h5"


def get_thumbnails(wildcards):
    """Pictures of all slides."""
    return [
        f"results/{'imported/' if is_imported(slide) else ''}thumbnails/{slide}.jpg"
        for slide in SLIDES
    ]


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


def get_encoder_inputs(wildcards):
    """Inputs of the encoding: whole tiles need neither mask nor coverage."""
    inputs = {
        "record": f"results/preflight/slides/{wildcards.slide}.json",
        "slide": get_file("path")(wildcards),
        "tiles": f"results/tiles/{wildcards.slide}.h5",
    }
    if wildcards.masking == "masked":
        inputs["tissue"] = f"results/tissue/{wildcards.slide}.geojson"
        inputs["coverage"] = f"results/coverage/{wildcards.slide}.h5"
        inputs["mask"] = get_file("mask")(wildcards)
        inputs["stain"] = get_stain_mask(wildcards)
    return inputs


def get_min_coverage(wildcards):
    """Epithelium that a tile needs; nothing for whole tiles."""
    masked = wildcards.masking == "masked"
    return config["epithelium"]["min_coverage"] if masked else None


def get_coverage_of_imported(wildcards):
    """Epithelium of the tiles of finished features; whole tiles need none."""
    masked = wildcards.masking == "masked"
    return f"results/coverage/{wildcards.slide}.h5" if masked else []


def get_masking_parameters(wildcards):
    """What the encoding has to know about the mask; nothing for whole tiles."""
    if wildcards.masking == "whole":
        return {}
    epithelium = config["epithelium"]
    chosen = {key: epithelium[key] for key in ("class_names", "min_coverage", "fill")}
    return chosen | {"classes": get_mask_classes(wildcards)}


def get_features(wildcards):
    """Embeddings that a clustering starts from: ours, or finished ones."""
    if is_imported(wildcards.slide):
        return f"results/imported/features/{wildcards.masking}/{wildcards.slide}.h5"
    return f"results/features/{config['encoder']['name']}/{wildcards.masking}/{wildcards.slide}.h5"


def get_tumour_scores(wildcards):
    """Tumour score per tile, of the slides that have attention."""
    has_attention = FROM_CHIEF or get_row(wildcards).attention is not None
    return f"results/tumour/{wildcards.slide}.h5" if has_attention else []


def get_clustering_parameters(wildcards):
    """How tiles are clustered; the published procedure has nothing to set."""
    if wildcards.procedure == "paper":
        return {}
    return {k: v for k, v in config["clustering"].items() if k != "min_tiles"}


def of_variant(pattern, slides):
    """Input function for a file per slide, made as a variant wants its tiles and clusters."""

    def files(wildcards):
        variant = VARIANTS[wildcards.variant]
        factors = {"masking": variant.masking, "procedure": variant.procedure}
        return expand(pattern, slide=slides, **factors)

    return files


def get_slide_clusters(wildcards):
    """Clusters of a slide that a variant needs."""
    return of_variant(CLUSTERS, wildcards.slide)(wildcards)[0]


def get_threshold(wildcards):
    """Tumour threshold that a variant applies; none where all clusters count."""
    variant = VARIANTS[wildcards.variant]
    if variant.tumour_filter and HAS_ATTENTION:
        return f"results/cohort/thresholds/{variant.masking}_{variant.procedure}.json"
    return []


def per_variant(pattern, wanted=True):
    """Files of every configured variant, of the first analysis where there is one per analysis;
    none where they make no sense."""
    first = list(ANALYSES)[:1]
    return expand(pattern, variant=config["variants"], analysis=first) if wanted else []


def compared(pattern):
    """Input function for one file per variant that is compared, of the first analysis where there
    is one per analysis."""
    return lambda wildcards: expand(
        pattern, variant=COMPARED[wildcards.compared], analysis=list(ANALYSES)[:1]
    )


def map_files(variant):
    """Maps of all slides, the first ones shown in the report."""
    caption, category = "../report/map.rst", "3 Maps"
    files = []
    for number, slide in enumerate(SLIDES):
        file = f"results/maps/{variant}/{slide}.png"
        if number < config["report"]["max_maps"]:
            labels = {"slide": slide}
            file = report(
                file, caption, category=category, subcategory=variant, labels=labels
            )
        files.append(file)
    return files


def get_results(wildcards):
    """Everything a run makes, other than its summary; for QuPath, the first variant."""
    first = config["variants"][0]
    files = [
        "results/preflight/preflight.html",
        *per_variant("results/cohort/{variant}/slides.html"),
        *per_variant([f"results/maps/{{variant}}/{slide}.png" for slide in SLIDES]),
        *expand(
            "results/qupath/{variant}/{slide}.geojson", variant=first, slide=SLIDES
        ),
        *per_analysis("results/survival/{analysis}/{variant}/results.json"),
        *attention_files(),
        *embedding_files(),
    ]
    if len(config["variants"]) > 1:
        files.append("results/ablation/configured_variants.tsv")
    return files
