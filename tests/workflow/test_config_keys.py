"""Each key of the configuration reruns the steps it touches and what follows, and no other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from helpers.cohorts import CONFIG, MAIN_ANALYSIS, Cohort
from histohet.common.settings import Settings
from histohet.config import Config

# What is computed again from a step on, for a cohort whose slides bring mask and attention.
SUMMARY = {"summarise"}
ESTIMATES = {"collect_estimates", "compare_variants"} | SUMMARY
SURVIVAL = {"build_cohort", "analyse_survival"} | ESTIMATES
SLIDES = {"collect_slides", "check_failures", "draw_map", "compare_with_truth"} | SURVIVAL
THRESHOLD = {"choose_tumour_threshold"} | SLIDES
MEASURES = {"measure_slide"} | THRESHOLD
CLUSTERS = {"cluster_tiles", "export_qupath"} | MEASURES
FEATURES = {"encode_tiles"} | CLUSTERS
# Preflight foresees what tissue, tiles and masks will give, and compares finished features.
PREFLIGHT = {"collect_preflight", "list_problems"}
ENCODER = PREFLIGHT | FEATURES
COVERAGE = {"measure_coverage", "draw_mask"} | PREFLIGHT | FEATURES
MASK = {"check_companions"} | COVERAGE
TILES = {"tile_slide", "score_tumour_tiles"} | COVERAGE
TISSUE = {"segment_tissue"} | TILES
EVERYTHING = {"check_slide", "check_companions"} | TISSUE
CLINICAL = {"read_clinical", "list_problems"} | SURVIVAL
EMBEDDINGS = {"pool_slide", "collect_slide_embeddings"} | SUMMARY
TRAIT_MAPS = {
    *("label_traits", "train_traits", "map_traits", "draw_trait_map", "evaluate_traits"),
    "draw_trait_controls",
}
CURVE = {"draw_specification_curve"} | SUMMARY
TURNED = {
    *("turn_tiles", "compare_rotation", "share_clusters", "collect_rotation", "draw_rotation"),
}
NOTHING: set[str] = set()

OS = CONFIG["clinical"][0]
WEEKS = OS | {"endpoints": {"OS": OS["endpoints"]["OS"] | {"unit": "days"}}}


TRAITS = {
    "expression": [{"table": "results/phantoms/clinical.tsv", "id": "patient"}],
    "wanted": {"A": "age"},
}


FUSION = {"endpoint": "OS", "blocks": ["heterogeneity"]}


def analysis(**changes: Any) -> list[dict[str, Any]]:
    """Return the analyses of the configuration with changes."""
    return [MAIN_ANALYSIS | changes]


# Key, another value, and the rules that run again. A section that was not there comes whole.
CHANGES: list[tuple[str, Any, set[str]]] = [
    ("seed", 7, CLUSTERS | {"analyse_survival"}),
    ("patient_pattern", "^(.*)$", PREFLIGHT | THRESHOLD),
    ("clinical", [WEEKS], CLINICAL),
    ("variants", ["full", "no_mask", "no_potts", "no_tumor_filter"], ESTIMATES),
    ("max_failed_fraction", 0.9, {"check_failures"} | SURVIVAL),
    ("scale.prefer", "sheet", EVERYTHING),
    ("scale.tolerance", 0.2, EVERYTHING),
    ("tissue.preset", "tcga", TISSUE),
    ("tissue.overrides", {"sthresh": 12}, TISSUE),
    ("tiles.tile_um", 100, EVERYTHING),
    ("tiles.tile_px", 192, EVERYTHING),
    ("tiles.overlap_um", 10, EVERYTHING),
    ("tiles.min_tissue_share", 0.5, TILES),
    ("tiles.rim_tissue_share", 0.5, TILES),
    ("epithelium.without_mask", "whole", NOTHING),
    ("epithelium.classes", [3], MASK),
    ("epithelium.class_names", ["Carcinoma"], MASK),
    ("epithelium.excluded_names", ["Stroma"], MASK),
    ("epithelium.mask_origin", "plane", MASK),
    ("epithelium.min_coverage", 0.4, {"draw_mask"} | PREFLIGHT | FEATURES),
    ("epithelium.fill", "white", FEATURES),
    ("encoding.resampling", "box", FEATURES),
    ("encoding.max_bad_tiles", 0.1, FEATURES),
    ("encoding.stage", "elsewhere", NOTHING),
    ("encoder", {"name": "texture", "kind": "stain_texture"}, ENCODER),
    ("encoder.symmetry", "d4", ENCODER),
    ("clustering.q", 9, CLUSTERS),
    ("clustering.k", 6, CLUSTERS),
    ("clustering.reach", 2.0, CLUSTERS),
    ("clustering.procedure", "paper", CLUSTERS),
    ("clustering.restarts", 2, CLUSTERS),
    ("clustering.min_tiles", 21, PREFLIGHT | CLUSTERS),
    ("tumour.attention_tile_um", 200, {"score_tumour_tiles", "export_qupath"} | MEASURES),
    ("tumour.threshold", 0.5, THRESHOLD),
    ("attention", {"from": "sheet"}, {"draw_attention"} | SUMMARY),
    ("slide_embeddings", ["mean"], EMBEDDINGS),
    ("added_value", {}, {"assess_added_value"} | EMBEDDINGS),
    ("fusion", FUSION, {"fuse", "save_fusion_model", "draw_fusion"} | SUMMARY),
    ("traits", TRAITS, TRAIT_MAPS | EMBEDDINGS - {"collect_slide_embeddings"} | MEASURES),
    # Only `snakemake dearray` reads it.
    ("tma", {"sheet": "tma.tsv", "diameter_um": 600}, NOTHING),
    ("rotation", {"encoders": ["stain_texture"]}, TURNED | SUMMARY),
    ("measures.hta_region_um", 560, MEASURES),
    ("specification_curve", {"variants": ["full", "no_potts"]}, CURVE),
    ("statistics.permutations", 99, {"analyse_survival"} | ESTIMATES),
    ("statistics.bootstrap_replicates", 50, {"analyse_survival"} | ESTIMATES),
    ("analyses", analysis(score="scaled_count"), SURVIVAL),
    ("analyses", analysis(slides="max"), SURVIVAL),
    ("analyses", analysis(where={"age": [50]}), CLINICAL),
    ("analyses", analysis(trim={"measure": "n_tiles", "percentiles": [5, 95]}), SURVIVAL),
    ("analyses", analysis(grouping="quartiles"), SURVIVAL),
    ("analyses", analysis(covariates=[]), CLINICAL),
    ("analyses", analysis(slide_count=True), SURVIVAL),
    ("analyses", analysis(max_months=120), SURVIVAL),
    # It lists the pictures of the report.
    ("report.max_maps", 1, {"summarise"}),
    # What only `snakemake atlas` makes is no part of `all`.
    ("atlas.exemplars", 2, NOTHING),
    ("atlas.pictures", "link", NOTHING),
    ("atlas.columns", ["n_clusters"], NOTHING),
    ("atlas.pyramids", {"first": 1}, NOTHING),
]
ENCODERS_OF_OTHER_KINDS = {
    f"encoder.{key}"
    for key in (
        *("checkpoint", "layer", "weights", "model", "width", "normalisation"),
        *("pooling", "precision", "arguments", "kernels", "first", "dense"),
    )
}


def keys() -> Iterator[str]:
    """List the keys of the configuration, sections by their keys."""
    for name, field in Config.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, Settings):
            yield from (f"{name}.{key}" for key in section.model_fields)
        else:
            yield name


# Scans, which other tests run.
OF_OTHER_SHEETS = {
    "scans",
    *(key for key in keys() if key.startswith(("ct.", "radiomics.", "segmentation"))),
}


def test_keys_of_scans_touch_nothing_without_their_sheet(finished: Cohort) -> None:
    assert not finished.rules(ct={"spacing_mm": 1}, radiomics={"bins": 32})


def test_every_key_is_changed() -> None:
    changed = {
        name
        for key, value, _ in CHANGES
        for name in ([f"{key}.{one}" for one in value] if key == "encoder" else [key])
    }
    elsewhere = {"phantoms", "slides", "agreement"} | OF_OTHER_SHEETS | ENCODERS_OF_OTHER_KINDS
    assert set(keys()) - elsewhere == changed


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    CHANGES,
    ids=[f"{key}-{number}" for number, (key, _, _) in enumerate(CHANGES)],
)
def test_a_key_reruns_what_it_touches(
    finished: Cohort, key: str, value: Any, expected: set[str]
) -> None:
    (finished.folder / "tma.tsv").write_text("array\tpath\nx\tx.svs\n")
    section, _, inner = key.partition(".")
    changed = CONFIG.get(section, {}) | {inner: value} if inner else value
    assert set(finished.rules(**{section: changed})) == expected
