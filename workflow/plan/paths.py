"""Where results are: every file that one rule makes and another one reads, as a pattern.

Wildcards in braces: ``slide`` (where slides are pooled, the patient), the factors that variants
share files by (``encoder``, ``masking``, ``procedure``), ``pooling``, ``variant``, ``analysis``,
``trait``, ``fold``, ``round``, the ``combination`` of traits, the ``array`` that cores are of, the
``scan``, the ``repeat`` of a cross-validation, and whether fused blocks were ``cross_validated`` or
a model was ``applied`` (``evaluation``).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

MISSING_FILES = "results/preflight/missing.json"
RECORD = "results/preflight/slides/{slide}.json"
COMPANIONS = "results/preflight/companions/{slide}.json"
PREFLIGHT = "results/preflight/slides.tsv"
PREFLIGHT_PAGE = "results/preflight/preflight.html"
MASK_PICTURE = "results/preflight/masks/{slide}.png"

TISSUE = "results/tissue/{slide}.geojson"
THUMBNAIL = "results/thumbnails/{slide}.jpg"
TILES = "results/tiles/{slide}.h5"
TILE_PICTURE = "results/tiles/{slide}.jpg"
STAIN_MASK = "results/epithelium/{slide}.tif"
COVERAGE = "results/coverage/{slide}.h5"
FEATURES = "results/features/{encoder}/{masking}/{slide}.h5"

IMPORTED_TILES = "results/imported/tiles/{slide}.h5"
IMPORTED_TILE_PICTURE = "results/imported/tiles/{slide}.jpg"
IMPORTED_THUMBNAIL = "results/imported/thumbnails/{slide}.jpg"
IMPORTED_RADIOMICS = "results/imported/radiomics/{scan}.json"
IMPORTED_FEATURES = "results/imported/features/{masking}/{slide}.h5"

CHIEF_FEATURES = "results/chief/features/{slide}.h5"
CHIEF_SCORES = "results/chief/attention/{slide}.h5"
CHIEF_TABLE = "results/chief/attention/{slide}.csv"
TUMOUR_SCORES = "results/tumour/{slide}.h5"
ATTENTION_PICTURE = "results/attention/{slide}.png"
ATTENTION_TILES = "results/attention/{slide}.geojson"
THRESHOLD = "results/cohort/thresholds/{encoder}/{masking}/{procedure}.json"

POOLED_FEATURES = "results/pooled/{encoder}/{masking}/{slide}.features.h5"
POOLED_COVERAGE = "results/pooled/{encoder}/{masking}/{slide}.coverage.h5"
POOLED_TUMOUR_SCORES = "results/pooled/{encoder}/{masking}/{slide}.tumour.h5"
POOLED_THUMBNAIL = "results/pooled/{encoder}/{masking}/{slide}.jpg"

CLUSTERS = "results/clusters/{encoder}/{masking}/{procedure}/{slide}.h5"
MEASURES = "results/measures/{encoder}/{masking}/{procedure}/{slide}.json"
MAP = "results/maps/{variant}/{slide}.png"
QUPATH = "results/qupath/{variant}/{slide}.geojson"
ANNDATA = "results/anndata/{variant}/{slide}.h5ad"

SLIDE_VECTOR = "results/slide_embeddings/{encoder}/{masking}/{pooling}/{slide}.h5"
SLIDE_VECTORS = "results/slide_embeddings/{encoder}/{masking}/{pooling}.tsv"
SLIDES_OF_VECTORS = "results/slide_embeddings/{encoder}/{masking}/{pooling}_slides.tsv"

TRAIT_LABELS = {
    "labels": "results/traits/labels.tsv",
    "thresholds": "results/traits/thresholds.tsv",
    "splits": "results/traits/splits.tsv",
}
TRAIT_MODEL = "results/traits/models/{trait}.h5"
INCEPTION_TILES = "results/traits/inception/tiles/{slide}.h5"
INCEPTION_ROUND = "results/traits/inception/rounds/{trait}/fold_{fold}_round_{round}.h5"
INCEPTION_HISTORY = "results/traits/inception/rounds/{trait}/fold_{fold}_round_{round}.tsv"
INCEPTION_MODEL = "results/traits/inception/models/{trait}.h5"
INCEPTION_LOGITS = "results/traits/inception/logits/{slide}.h5"
TRAIT_MAP = "results/traits/maps/{slide}.h5"
TRAIT_TABLE = "results/traits/table_1.tsv"
TRAIT_CONTROLS = "results/traits/controls/{combination}.tsv"
TRAIT_PICTURE = "results/traits/pictures/{combination}/{slide}.png"

CLINICAL = {
    "clinical": "results/cohort/clinical.tsv",
    "problems": "results/cohort/clinical_problems.tsv",
}
COHORT = "results/cohort/{variant}/slides.tsv"
COHORT_PAGE = "results/cohort/{variant}/slides.html"
COHORT_CLUSTERS = "results/cohort/{variant}/clusters.tsv"
FAILURES = "results/cohort/{variant}/failures.tsv"

PATIENTS = "results/survival/{analysis}/{variant}/patients.tsv"
ESTIMATES = "results/survival/{analysis}/{variant}/estimates.tsv"
KAPLAN_MEIER = "results/survival/{analysis}/{variant}/kaplan_meier.tsv"
ALL_ESTIMATES = "results/survival/estimates.tsv"
CURVE = "results/specification_curve/curve.tsv"
COMPARISON = "results/ablation/{compared}_variants.tsv"
ADDED_VALUE = "results/added_value/{variant}/estimates.tsv"

FUSION_FOLDS = "results/fusion/folds.tsv"
MIL_BAGS = "results/fusion/mil/bags.tsv"
MIL_NETWORKS = "results/fusion/mil/networks/{repeat}_{fold}.safetensors"
MIL_PREDICTED = "results/fusion/mil/predicted/{repeat}.tsv"
MIL_ATTENTION = "results/fusion/mil/attention/{slide}.png"
MIL_APPLIED = "results/fusion/mil/applied.tsv"
FUSION = {
    name: f"results/fusion/{{evaluation}}/{name}.tsv"
    for name in (
        *("estimates", "risks", "decision", "curves", "patterns", "subgroups", "fits", "kept"),
        *("flow", "characteristics"),
    )
}
FUSION_FIGURES = {
    "fusion": "everything at a glance",
    "models": "models: AUC, C, Brier skill, gains",
    "calibration": "calibration",
    "decision": "decision curves",
    "incidence": "incidence by predicted risk",
    "groups": "who has what; batches and centres",
    "blocks": "what blocks and features count",
}
"""What each figure of a fusion shows, by the name of its files."""

FUSION_FIGURE = "results/fusion/{evaluation}/fusion.png"
FUSION_FLOW = "results/fusion/{evaluation}/flow.png"
CHECKLIST = {
    "page": "results/fusion/{evaluation}/checklist.html",
    "table": "results/fusion/{evaluation}/checklist.tsv",
    "features": "results/fusion/{evaluation}/features.html",
}
FUSION_MODEL = {
    "model": "results/fusion/model.json",
    "numbers": "results/fusion/model.safetensors",
}

TRUTH = "results/agreement/{variant}.tsv"
PATHOLOGIST = "results/agreement/pathologist/{variant}.png"
EXPRESSION = "results/agreement/expression/{variant}/{slide}.png"
GENES = "results/agreement/genes/{slide}.png"

TURNED = "results/rotation/tiles/{encoder}/{slide}.h5"
TURNED_LABELS = "results/rotation/cores/{encoder}/{slide}.labels.tsv"
CORE_CONSISTENCY = "results/rotation/cores/{encoder}/{slide}.tsv"
SHARED_CONSISTENCY = "results/rotation/shared/{encoder}.tsv"
CONSISTENCY = "results/rotation/consistency.tsv"
TURNED_PICTURE = "results/rotation/pictures/{slide}.png"

ARRAY = {
    "cores": "results/tma/{array}/cores.tsv",
    "geojson": "results/tma/{array}/cores.geojson",
    "qptma": "results/tma/{array}/cores.qptma",
    "picture": "results/tma/{array}/overview.jpg",
    "checks": "results/tma/{array}/checks.json",
}
CORES = {"slides": "results/tma/slides.tsv", "settings": "results/tma/settings.yaml"}

CORE_MASK = {
    "picture": "results/cores/masks/{slide}.jpg",
    "mask": "results/cores/masks/{slide}.png",
    "about": "results/cores/masks/{slide}.json",
}
CORE_MASKS = "results/cores/masks.csv"
CORE_HETEROGENEITY = "results/cores/{variant}/heterogeneity.tsv"

SEGMENTED = {"mask": "results/masks/{scan}.nii.gz", "record": "results/masks/{scan}.json"}
TRAINING = {
    "plans": "results/segmentation/training/plans.json",
    "dataset": "results/segmentation/training/dataset.json",
    "folds": "results/segmentation/training/folds.json",
}
TRAINING_CASES = "results/segmentation/training/cases"
FOLD = {
    "model": "results/segmentation/training/fold_{fold}/checkpoint_final.pth",
    "history": "results/segmentation/training/fold_{fold}/history.tsv",
    "validation": "results/segmentation/training/fold_{fold}/validation.tsv",
}
TRAINED_MODEL = "results/segmentation/model"

SCAN = "results/ct/{scan}.h5"
SCAN_RECORD = "results/ct/{scan}.json"
SCAN_PICTURE = "results/ct/{scan}.png"
SCANS_PAGE = "results/ct/scans.html"
SCAN_FEATURES = "results/radiomics/scans/{scan}.json"
RADIOMICS = "results/radiomics/features.tsv"
RADIOMICS_DRAWS = "results/radiomics/draws.tsv"
RADIOMICS_STABILITY = "results/radiomics/stability.tsv"
STABILITY_FIGURE = "results/radiomics/stability.png"
CORRELATION_FIGURE = "results/radiomics/correlation.png"

ATLAS = "results/atlas/index.html"
ATLAS_COHORT = "results/atlas/cohort.js"
ATLAS_STATIC = "results/atlas/static"
ATLAS_SLIDE = "results/atlas/slides/{encoder}/{masking}/{procedure}/{slide}"
ATLAS_PYRAMID = "results/atlas/pyramids/{slide}"

SUMMARY = "results/summary.json"
WEIGHTS_LOCK = "config/weights.lock.json"


def fill(pattern: str, **values: str | Iterable[str]) -> list[str]:
    """Return the files of a pattern for all combinations of the values of its wildcards.

    Parameters
    ----------
    pattern
        One of this module.
    values
        A value, or several, for each wildcard; others are ignored.
    """
    lists = [[value] if isinstance(value, str) else list(value) for value in values.values()]
    return [pattern.format(**dict(zip(values, one, strict=True))) for one in product(*lists)]
