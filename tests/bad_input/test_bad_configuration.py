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
    ({"clusterin": {}}, ["config, clusterin: unknown key; did you mean clustering?"]),
    ({"clustering": {"Q": 3}}, ["config, clustering.Q: unknown key; did you mean q?"]),
    (
        {"tiles": {"min_coverage": 0.5}},
        ["config, tiles.min_coverage: unknown key; there are 'tile"],
    ),
    ({"min_tiles": 20}, ["config, min_tiles: unknown key"]),
    (
        {"tissue": {"overrides": {"sthres": 8}}},
        ["tissue.overrides.sthres: unknown key; did you mean s"],
    ),
    # What was a key once, and is one no more.
    (
        {"clustering": {"energy": "cosine"}},
        ["config, clustering.energy: unknown key; there are 'p"],
    ),
    ({"tissue": {"overrides": {"a_t": 1}}}, ["config, tissue.overrides.a_t: unknown key"]),
    # Another type.
    ({"clustering": {"q": "many"}}, ["config, clustering.q: 'many' is no whole number"]),
    ({"clustering": {"q": 8.5}}, ["config, clustering.q: 8.5 is no whole number"]),
    ({"clustering": {"q": True}}, ["config, clustering.q: True is no whole number"]),
    ({"clustering": None}, ["config, clustering: nothing is given"]),
    ({"clustering": []}, ["config, clustering: [] is no section with keys"]),
    ({"tiles": {"tile_um": "112"}}, ["config, tiles.tile_um: '112' is no number"]),
    ({"variants": "full"}, ["config, variants: 'full' is no list"]),
    (analysis(grouping={"cutt": 3}), ["config, analyses[0].grouping.cutt: unknown key; did y"]),
    ({"slides": ["a.tsv"]}, ["config, slides: ['a.tsv'] is no text"]),
    ({"slides": None}, ["config, slides: nothing is given"]),
    ({"clinical": {"table": "clinical.csv"}}, ["config, clinical: {", "is no list"]),
    ({"seed": "7"}, ["config, seed: '7' is no whole number"]),
    (os_with(events=1), ["config, clinical[0].endpoints.OS.events: 1 is no list"]),
    # Out of range.
    ({"clustering": {"reach": 0}}, ["reach", "0"]),
    ({"clustering": {"restarts": -1}}, ["restarts"]),
    ({"tiles": {"tile_px": 0}}, ["config, tiles.tile_px: 0 must be at least 16"]),
    ({"tiles": {"tile_px": 10**9}}, ["config, tiles.tile_px: 1000000000 must be at most 4096"]),
    (
        {"tiles": {"overlap_um": 112}},
        ["config, tiles: an overlap of 112 µm leaves nothing"],
    ),
    ({"tissue": {"overrides": {"max_ink": 2}}}, ["config, tissue.overrides.max_ink: 2 must be at"]),
    ({"epithelium": {"min_coverage": 25}}, ["25", "min_coverage"]),
    ({"max_failed_fraction": 2}, ["2", "max_failed_fraction"]),
    ({"max_failed_fraction": math.nan}, ["config, max_failed_fraction: nan is NaN or infinite"]),
    ({"tiles": {"tile_um": math.inf}}, ["config, tiles.tile_um: inf is NaN or infinite"]),
    ({"scale": {"tolerance": math.nan}}, ["config, scale.tolerance: nan is NaN or infinite"]),
    (analysis(grouping={"cut": math.nan}), ["config, analyses[0].grouping.cut: nan is NaN"]),
    ({"variants": []}, ["config, variants: must not be empty"]),
    ({"variants": ["full", "full"]}, ["config, variants: two are called 'full'"]),
    # Names that there are not.
    ({"clustering": {"procedure": "papr"}}, ["'papr'", "'histohet'", "did you mean paper?"]),
    ({"tissue": {"preset": "biopsy"}}, ["biopsy", "bwh_biopsy"]),
    ({"epithelium": {"fill": "grey"}}, ["grey", "white"]),
    ({"variants": ["ful"]}, ["variants[0]: 'ful'", "no_mask", "did you mean full?"]),
    ({"encoder": {"kind": "timm", "name": "x"}}, ["model"]),
    ({"encoder": {"name": "uni3"}}, ["uni3", "uni2h", "kind: timm"]),
    ({"encoder": {"name": "uni", "width": 512}}, ["config, encoder: 'width' has no place"]),
    ({"encoder": {"name": "uni", "symmetry": "d8"}}, ["d8", "d4"]),
    # Names that could leave the results folder, or are too long for a file.
    ({"encoder": {"name": "../x"}}, ["config, encoder.name: '../x' names files"]),
    ({"encoder": {"name": "x" * 101, "kind": "stain_texture"}}, ["config, encoder.name", "long"]),
    (
        {"encoder": {"name": "x\n", "kind": "stain_texture"}},
        ["config, encoder.name", "names files"],
    ),
    (
        {"attention": {"from": "chief", "checkpoint": "c", "encoder": {"name": "../x"}}},
        ["config, attention.encoder.name: '../x' names files"],
    ),
    (analysis(name="../x"), ["config, analyses[0].name: '../x' names files"]),
    (analysis(name="a b"), ["config, analyses[0].name: 'a b' names files"]),
    (analysis(name="x" * 101), ["config, analyses[0].name", "long"]),
    # Analyses.
    (analysis(grouping="tertiles"), ["tertiles"]),
    (analysis(scor="n_tiles"), ["analyses[0]", "scor"]),
    (analysis(score="clusters"), ["config, analyses[0].score: 'clusters' is none of"]),
    (analysis(trim={"measure": "n_tiles", "percentiles": [95, 5]}), ["analyses", "ordered"]),
    ({"analyses": [{"name": "a"}, {"name": "a"}]}, ["analyses", "'a'"]),
    ({"analyses": [{"preset": "hetmap"}]}, ["hetmap", "hetmap_stad"]),
    ({"analyses": [{"score": "n_tiles"}]}, ["analyses[0]"]),
    ({"analyses": []}, ["config, analyses: must not be empty"]),
    # Variants.
    ({"encoder": {"name": "conch_v1_5"}}, ["takes tiles of 448 px", "tiles.tile_px"]),
    (
        {"attention": {"from": "chief", "checkpoint": "c", "encoder": "conch_v1_5"}},
        ["config, attention.encoder", "takes tiles of 448 px"],
    ),
    ({"attention": {"from": "sheet", "encoder": "bogus"}}, ["config, attention.encoder", "bogus"]),
    (
        {"variants": [{"name": "own", "clustering": {"procedure": "paper"}}]},
        ["variants[0].clustering.procedure: it is the same for all variants", "paper"],
    ),
    (
        {"agreement": {"pathologist": {"table": "t", "column": "n", "score": "hti_posible"}}},
        ["config, agreement.pathologist.score: 'hti_posible'", "did you mean hti_possible?"],
    ),
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
        ["config, variants: two are called 'a'"],
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
    ({"variants": [{"name": "a", "encoder": {}}]}, ["variants[0].encoder: its 'name' is missing"]),
    (
        {"variants": [{"name": "a", "epithelium": {"fil": "none"}}]},
        ["config, variants[0].epithelium.fil: 'fil' is none of", "did you mean fill?"],
    ),
    (
        {"attention": {"from": "sheet", "encoder": {}}},
        ["config, attention.encoder: its 'name' is missing"],
    ),
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
    ({"clinical": []}, ["config, clinical: must not be empty"]),
    (
        {"clinical": [{"table": "clinical.csv"}]},
        ["config, clinical[0]: either 'format' or 'patient' must be given"],
    ),
    (
        {"clinical": [TABLE | {"endpoints": {"OS": {"time": "t"}}}]},
        ["config, clinical[0].endpoints.OS.unit: is missing"],
    ),
    (os_with(unit="weeks"), ["config, clinical[0].endpoints.OS.unit: 'weeks' is none of"]),
    (os_with(tiem="t"), ["config, clinical[0].endpoints.OS.tiem: unknown key; did you mean time?"]),
    ({"clinical": [{"table": "clinical.csv", "format": "seer"}]}, ["seer", "cbioportal"]),
    # What belongs together.
    ({"added_value": {}}, ["config, added_value: it needs survival, so the section `clinical`"]),
    (
        {"clinical": [TABLE], "added_value": {"analysis": "mine"}},
        ["config, added_value.analysis: no analysis is called 'mine', there are 'main'"],
    ),
    ({"slide_embeddings": ["chief"]}, ["config, slide_embeddings: 'chief' needs CHIEF"]),
    ({"attention": {"from": "chief"}}, ["config, attention: `from: chief` needs", "'checkpoint'"]),
    # The sheet.
    ({"slides": "absent.tsv"}, ["slide sheet: absent.tsv does not exist"]),
    ({"slides": "."}, ["slide sheet: . is not a file"]),
    ({"slides": "{x}.tsv"}, ["config, slides: '{x}.tsv' must not hold {} or <>"]),
    (
        {"clinical": [TABLE | {"table": "{x}.csv"}]},
        ["config, clinical[0].table: '{x}.csv' must not"],
    ),
    (
        {"clinical": [TABLE | {"table": "<x>.csv"}]},
        ["config, clinical[0].table: '<x>.csv' must not"],
    ),
    ({"slides": ""}, ["config, slides: must not be empty"]),
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
