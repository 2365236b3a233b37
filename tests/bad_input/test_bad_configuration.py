"""Configurations with typing errors, values of another type or out of range: each key is named."""

from __future__ import annotations

import math
from typing import Any

import pytest

from helpers import ROOT
from helpers.cohorts import Cohort

OS = {"time": "months", "unit": "months", "event": "dead", "events": [1], "censored": [0]}
TABLE = {"table": "clinical.csv", "patient": "id", "endpoints": {"OS": OS}}

TIMM = {
    "kind": "timm",
    "name": "tiny",
    "model": "vit_tiny_patch16_224",
    "checkpoint": "tiny.safetensors",
    "width": 192,
    "normalisation": "imagenet",
}


def os_with(**changes: Any) -> dict[str, Any]:
    return {"clinical": [TABLE | {"endpoints": {"OS": OS | changes}}]}


def analysis(**changes: Any) -> dict[str, Any]:
    return {"analyses": [{"name": "a"} | changes]}


CASES: list[tuple[dict[str, Any], list[str]]] = [
    # Sections and keys that there are not.
    ({"clusterin": {}}, ["top level", "'clusterin' was unexpected"]),
    ({"clustering": {"Q": 3}}, ["config, clustering", "'Q' was unexpected"]),
    ({"tiles": {"min_coverage": 0.5}}, ["config, tiles", "'min_coverage' was unexpected"]),
    ({"min_tiles": 20}, ["top level", "'min_tiles' was unexpected"]),
    ({"tissue": {"overrides": {"sthres": 8}}}, ["tissue.overrides", "'sthres' was unexpected"]),
    # Another type.
    ({"clustering": {"q": "many"}}, ["config, clustering.q: 'many' is not of type 'integer'"]),
    ({"clustering": {"q": 8.5}}, ["config, clustering.q: 8.5 is not of type 'integer'"]),
    ({"clustering": {"q": True}}, ["config, clustering.q: True is not of type 'integer'"]),
    ({"clustering": None}, ["config, clustering: None is not of type 'object'"]),
    ({"clustering": []}, ["config, clustering: [] is not of type 'object'"]),
    ({"tiles": {"tile_um": "112"}}, ["config, tiles.tile_um: '112' is not of type 'number'"]),
    ({"variants": "full"}, ["config, variants: 'full' is not of type 'array'"]),
    (analysis(grouping={"cutt": 3}), ["config, analyses[0].grouping", "'cutt' was unexpected"]),
    ({"slides": ["a.tsv"]}, ["config, slides: ['a.tsv'] is not of type 'string'"]),
    ({"slides": None}, ["config, slides: None is not of type 'string'"]),
    ({"clinical": {"table": "clinical.csv"}}, ["config, clinical", "is not of type 'array'"]),
    ({"seed": "7"}, ["config, seed: '7' is not of type 'integer'"]),
    (os_with(events=1), ["config, clinical[0].endpoints.OS.events: 1 is not of type 'array'"]),
    # Out of range.
    ({"clustering": {"reach": 0}}, ["reach", "0"]),
    ({"clustering": {"n_init": 0}}, ["n_init"]),
    ({"clustering": {"restarts": -1}}, ["restarts"]),
    ({"tiles": {"tile_px": 0}}, ["config, tiles.tile_px: 0 is less than the minimum of 16"]),
    ({"tiles": {"tile_px": 10**9}}, ["config, tiles.tile_px", "greater than the maximum of 4096"]),
    (
        {"tiles": {"overlap_um": 112}},
        ["config, tiles: an overlap of 112 µm leaves nothing"],
    ),
    ({"tissue": {"overrides": {"mthresh": 6}}}, ["mthresh"]),
    ({"epithelium": {"min_coverage": 25}}, ["25", "min_coverage"]),
    ({"max_failed_fraction": 2}, ["2", "max_failed_fraction"]),
    ({"max_failed_fraction": math.nan}, ["config, max_failed_fraction: a number in it is NaN"]),
    ({"tiles": {"tile_um": math.inf}}, ["config, tiles: a number in it is NaN or infinite"]),
    ({"scale": {"tolerance": math.nan}}, ["config, scale: a number in it is NaN or infinite"]),
    (analysis(grouping={"cut": math.nan}), ["config, analyses: a number in it is NaN"]),
    ({"variants": []}, ["config, variants: [] should be non-empty"]),
    ({"variants": ["full", "full"]}, ["config, variants", "has non-unique elements"]),
    # Names that there are not.
    ({"clustering": {"energy": "cosin"}}, ["cosin", "calibrated"]),
    ({"tissue": {"preset": "biopsy"}}, ["biopsy", "bwh_biopsy"]),
    ({"epithelium": {"fill": "grey"}}, ["grey", "white"]),
    ({"variants": ["ful"]}, ["ful", "no_mask"]),
    ({"encoder": {"kind": "timm", "name": "x"}}, ["model"]),
    ({"encoder": {"name": "uni3"}}, ["uni3", "uni2h", "kind: timm"]),
    ({"encoder": {"name": "uni", "width": 512}}, ["uni", "encoder.width"]),
    ({"encoder": {"name": "uni", "symmetry": "d8"}}, ["d8", "d4"]),
    # Names that could leave the results folder, or are too long for a file.
    ({"encoder": {"name": "../x"}}, ["config, encoder.name: '../x' does not match"]),
    ({"encoder": {"name": "x" * 101, "kind": "stain_texture"}}, ["config, encoder.name", "long"]),
    ({"encoder": {"name": "x\n", "kind": "stain_texture"}}, ["config, encoder.name", "match"]),
    (
        {"attention": {"from": "chief", "checkpoint": "c", "encoder": {"name": "../x"}}},
        ["config, attention.encoder.name: '../x' does not match"],
    ),
    (analysis(name="../x"), ["config, analyses[0].name: '../x' does not match"]),
    (analysis(name="a b"), ["config, analyses[0].name: 'a b' does not match"]),
    (analysis(name="x" * 101), ["config, analyses[0].name", "long"]),
    # Analyses.
    (analysis(grouping="tertiles"), ["tertiles"]),
    (analysis(scor="n_tiles"), ["analyses[0]", "scor"]),
    (analysis(score="clusters"), ["config, analyses[0].score: 'clusters' is not one of"]),
    (analysis(trim={"measure": "n_tiles", "percentiles": [95, 5]}), ["analyses", "ordered"]),
    ({"analyses": [{"name": "a"}, {"name": "a"}]}, ["analyses", "'a'"]),
    ({"analyses": [{"preset": "hetmap"}]}, ["hetmap", "hetmap_stad"]),
    ({"analyses": [{"score": "n_tiles"}]}, ["analyses[0]"]),
    ({"analyses": []}, ["config, analyses: [] should be non-empty"]),
    # Variants.
    ({"encoder": {"name": "conch_v1_5"}}, ["takes tiles of 448 px", "tiles.tile_px"]),
    ({"variants": [{"name": "own", "pooled": False}]}, ["'own' is not a known variant"]),
    ({"variants": [{"name": "own"}]}, ["'own' is not a known variant"]),
    (
        {"variants": [{"name": "full", "clustering": {"q": 5}}]},
        ["'full' is a variant of its own"],
    ),
    (
        {
            "variants": [
                "full",
                {"name": "a", "clustering": {"q": 2}},
                {"name": "a", "like": "paper"},
            ]
        },
        ["'a' comes twice"],
    ),
    (
        {"variants": [{"name": "a", "like": "paper", "clustering": {"q": 2}}]},
        ["'paper', which takes nothing"],
    ),
    (
        {"variants": [{"name": "a", "like": "no_mask", "epithelium": {"fill": "none"}}]},
        ["'no_mask', which takes nothing"],
    ),
    (
        {"variants": [{"name": "a", "clustering": {"q": 0}}]},
        ["variant 'a'", "clustering.q", "0"],
    ),
    ({"variants": [{"name": "a", "clustering": {"Q": 9}}]}, ["variant 'a'", "Q"]),
    ({"variants": [{"name": "a", "encoder": {"name": "uni3"}}]}, ["uni3", "catalogue"]),
    (
        {
            "variants": [
                {"name": "a", "encoder": TIMM},
                {"name": "b", "encoder": TIMM | {"width": 384}},
            ]
        },
        ["name of another one, 'tiny'"],
    ),
    # The specification curve.
    ({"specification_curve": {"q": [20]}}, ["specification_curve", "`clinical`"]),
    (
        {"clinical": [TABLE], "specification_curve": {"analysis": "other"}},
        ["specification_curve.analysis", "'other'", "main"],
    ),
    (
        {"clinical": [TABLE], "specification_curve": {"variants": ["ful"]}},
        ["specification_curve.variants", "'ful'", "no_potts"],
    ),
    (
        {"clinical": [TABLE], "specification_curve": {"adjusted": [True]}},
        ["specification_curve.adjusted", "'main' has no covariates"],
    ),
    (
        {
            "clinical": [TABLE],
            "analyses": [{"name": "main", "grouping": "best_cut"}],
            "specification_curve": {"q": [20]},
        },
        ["specification_curve", "best_cut"],
    ),
    (
        {
            "clinical": [TABLE],
            "variants": ["full", {"name": "full_q20", "clustering": {"q": 10}}],
            "specification_curve": {"variants": ["full"], "q": [20]},
        },
        ["variant 'full_q20'", "another name"],
    ),
    (
        {
            "clinical": [TABLE],
            "variants": ["full", {"name": "few", "clustering": {"q": 10}}],
            "specification_curve": {"q": [20]},
        },
        ["'full_q20' and 'few_q20' measure slides alike"],
    ),
    (
        {"clinical": [TABLE], "specification_curve": {"groupings": ["best_cut"]}},
        ["config, specification_curve.groupings", "best_cut"],
    ),
    # Clinical tables.
    ({"clinical": []}, ["config, clinical: [] should be non-empty"]),
    (
        {"clinical": [{"table": "clinical.csv"}]},
        ["config, clinical[0]: 'format' is a required property, or 'patient' is a required pro"],
    ),
    (
        {"clinical": [TABLE | {"endpoints": {"OS": {"time": "t"}}}]},
        ["config, clinical[0].endpoints.OS: 'unit' is a required property"],
    ),
    (os_with(unit="weeks"), ["config, clinical[0].endpoints.OS.unit: 'weeks' is not one of"]),
    (os_with(tiem="t"), ["config, clinical[0].endpoints.OS", "'tiem' was unexpected"]),
    ({"clinical": [{"table": "clinical.csv", "format": "seer"}]}, ["seer", "cbioportal"]),
    # What belongs together.
    ({"added_value": {}}, ["config, added_value: it needs survival, so the section `clinical`"]),
    (
        {"clinical": [TABLE], "added_value": {"analysis": "mine"}},
        ["config, added_value.analysis: no analysis is called 'mine', there are main"],
    ),
    ({"slide_embeddings": ["chief"]}, ["config, slide_embeddings: 'chief' needs CHIEF"]),
    ({"attention": {"from": "chief"}}, ["config, attention: 'checkpoint' is a required property"]),
    # The sheet.
    ({"slides": "absent.tsv"}, ["slide sheet: absent.tsv does not exist"]),
    ({"slides": "."}, ["slide sheet: . is not a file"]),
    ({"slides": "{x}.tsv"}, ["config, slides: '{x}.tsv' does not match '^[^{}<>]*$'"]),
    ({"clinical": [TABLE | {"table": "{x}.csv"}]}, ["config, clinical[0].table: '{x}.csv' does"]),
    ({"clinical": [TABLE | {"table": "<x>.csv"}]}, ["config, clinical[0].table: '<x>.csv' does"]),
    ({"slides": ""}, ["config, slides: '' should be non-empty"]),
    ({"patient_pattern": "("}, ["slide sheet: patient_pattern '(' is no regular expression"]),
    ({"patient_pattern": "^a"}, ["slide sheet: patient_pattern '^a' needs one group"]),
]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    folder = tmp_path_factory.mktemp("cohort")
    (folder / "slides.tsv").write_text("slide\tpath\tmpp\na\ta.png\t0.5\n")
    return Cohort(folder, ROOT / "workflow", {"slides": "slides.tsv"})


@pytest.mark.parametrize(("change", "messages"), CASES, ids=[str(case[0])[:60] for case in CASES])
def test_a_mistake_in_the_configuration_is_named(
    cohort: Cohort, change: dict[str, Any], messages: list[str]
) -> None:
    printed = cohort.refusal(**change)
    for message in messages:
        assert message in printed
    assert "Traceback" not in printed
    assert len(printed) < 1500
