"""Agreement with counts and with expression: on phantoms, and on a real section."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from helpers import ROOT
from helpers.cohorts import Cohort
from helpers.slidefiles import gradient, write_plain
from histohet.clustering.file import read_clusters

RULES = ("agree_with_pathologist", "agree_with_expression")
SLIDES = [f"phantom_{number:02d}" for number in range(1, 5)]


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t")


def test_counts_and_spots_on_phantoms(finished: Cohort, tmp_path: Path) -> None:
    """The planted subclones stand in for the pathologist and for the expression clusters."""
    results = finished.folder / "results"
    truth = read(results / "phantoms/slides/phantom_01.truth.tsv")
    planted = read(results / "agreement/full.tsv").set_index("slide")["n_subclones"]
    planted.drop("phantom_04").to_csv(tmp_path / "counts.tsv", sep="\t")
    clusters = read_clusters(results / "clusters/stain_texture/masked/potts/phantom_01.h5")
    side = clusters.tiles.side_px
    tumour = truth[truth["subclone"] > 0].assign(
        x=lambda t: t["x"] + side / 2, y=lambda t: t["y"] + side / 2
    )
    tumour.to_csv(tmp_path / "spots.csv", index=False)
    section = {"slide": "phantom_01", "spots": str(tmp_path / "spots.csv"), "label": "subclone"}
    agreement = {
        "pathologist": {"table": str(tmp_path / "counts.tsv"), "column": "n_subclones"},
        "expression": [section],
    }
    folder = results / "agreement"
    expression = folder / "expression/full/phantom_01.json"
    assert finished.rules(agreement=agreement) == dict.fromkeys(RULES, 5) | {"summarise": 1}
    finished.run(
        "results/agreement/pathologist/full.png",
        "results/agreement/expression/full/phantom_01.png",
        agreement=agreement,
    )
    pairs = read(folder / "pathologist/pairs/full.tsv").set_index("slide")
    assert sorted(pairs.index) == SLIDES
    assert pairs.loc["phantom_04", "left_out_because"] == "no count"
    estimates = read(folder / "pathologist/full.tsv").set_index("statistic")
    assert estimates.loc["kendall_tau_b", "n"] == 3

    stages = json.loads(expression.read_text())["stages"]
    spots = read(folder / "expression/full/spots/phantom_01.tsv")
    assert len(spots) == len(tumour) == stages["labels"]["n_spots"]
    compared = spots.dropna(subset="cluster")
    assert len(compared) == stages["labels"]["n_compared"] > 20
    expected = adjusted_rand_score(compared["label"], compared["cluster"])
    assert stages["labels"]["ari"] == pytest.approx(expected)
    # The same tiles as `compare_with_truth` sees, but for tiles that are not clustered.
    known = read(folder / "full.tsv").set_index("slide").loc["phantom_01"]
    assert stages["labels"]["ari"] == pytest.approx(known["ari"], abs=1e-9)
    assert stages["start"]["ari"] == pytest.approx(known["ari_start"], abs=1e-9)


@pytest.fixture
def small(tmp_path: Path) -> Cohort:
    write_plain(tmp_path / "a.png", gradient(50, 50))
    (tmp_path / "slides.tsv").write_text("slide\tpath\tmpp\na\ta.png\t0.5\n")
    (tmp_path / "spots.csv").write_text("x,y,cluster\n1,1,T\n")
    return Cohort(tmp_path, ROOT / "workflow", {"slides": "slides.tsv"})


SECTION = {"slide": "a", "spots": "spots.csv", "label": "cluster"}
WITHOUT = {"slide": "a", "spots": "spots.csv"}
GENES = WITHOUT | {"counts": "counts.tsv", "genes": {"her2": "ERBB2"}}


def test_what_is_not_configured_is_not_computed(small: Cohort) -> None:
    assert not set(RULES) & set(small.rules())
    rules = small.rules(agreement={"expression": [SECTION]}, variants=["full", "no_potts"])
    assert rules["agree_with_expression"] == 2
    assert "agree_with_pathologist" not in rules


def test_a_slide_without_tissue_has_no_agreement_and_stops_nothing(small: Cohort) -> None:
    small.run(agreement={"expression": [SECTION]}, max_failed_fraction=1)
    folder = small.folder / "results/agreement/expression/full"
    result = json.loads((folder / "a.json").read_text())["stages"]["labels"]
    assert (result["n_spots"], result["n_outside"], result["ari"]) == (1, 1, None)
    assert result["reason"].startswith("no_t")
    assert (folder / "a.png").is_file()


@pytest.mark.parametrize(
    ("change", "messages"),
    [
        ({"expression": [SECTION | {"slide": "b"}]}, ["agreement.expression[0]", "slide 'b'"]),
        ({"expression": [SECTION, SECTION]}, ["agreement.expression[1]", "comes twice"]),
        ({"expression": [{"slide": "a", "spots": "spots.csv"}]}, ["label", "expression[0]"]),
        ({"expression": [SECTION | {"spots": "none.csv"}]}, ["none.csv"]),
        ({"pathologist": {"table": "c.tsv", "column": "n", "unit": "tile"}}, ["tile", "patient"]),
        ({"expresion": []}, ["expresion"]),
        ({"expression": [WITHOUT | {"genes": {"her2": "ERBB2"}}]}, ["counts", "beside genes"]),
        ({"expression": [WITHOUT | {"counts": "c.tsv"}]}, ["nothing to compare", "expression[0]"]),
        ({"expression": [GENES | {"labels": "l.csv"}]}, ["expression[0].labels", "Name the label"]),
        ({"expression": [GENES]}, ["expression[0].genes", "'her2' is not in traits.wanted"]),
        ({"expression": [GENES | {"spot": ["x"]}]}, ["expression[0].spot"]),
    ],
)
def test_mistakes_are_named(small: Cohort, change: dict[str, Any], messages: list[str]) -> None:
    done = small.snakemake("--dry-run", agreement=change)
    assert done.returncode != 0
    for message in messages:
        assert message in done.stdout + done.stderr


@pytest.fixture(scope="module")
def breast(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """The section as docs/agreement.md describes it."""
    folder, section = tmp_path_factory.mktemp("breast"), real_data / "spatial/her2st_C2"
    rows = [
        ("slide", "path", "mpp", "tissue_preset"),
        ("her2st_C2", section / "HE.jpg", "0.688", "tcga"),
    ]
    (folder / "slides.tsv").write_text("\n".join("\t".join(map(str, row)) for row in rows) + "\n")
    config = {
        "slides": "slides.tsv",
        "scale": {"tolerance": 0.6},
        "tissue": {"overrides": {"sthresh": 25}},
        "variants": ["full", "no_potts", "no_mask"],
        "agreement": {
            "expression": [
                {
                    "slide": "her2st_C2",
                    "spots": str(section / "expression_clusters.tsv.gz"),
                    **{"label": "label", "x": "pixel_x", "y": "pixel_y"},
                }
            ]
        },
    }
    cohort = Cohort(folder, ROOT / "workflow", config)
    cohort.run()
    return cohort


@pytest.mark.real
def test_breast_section_and_its_expression_clusters(breast: Cohort) -> None:
    """What docs/agreement.md reports, with room for other processors."""
    stages = {}
    for variant in ("full", "no_potts", "no_mask"):
        path = breast.folder / f"results/agreement/expression/{variant}/her2st_C2.tsv"
        stages[variant] = read(path).set_index("stage")
        assert (stages[variant]["n_spots"] == 185).all()
        assert (stages[variant]["n_unlabelled"] == 0).all()
    whole, masked = stages["no_mask"].loc["labels"], stages["full"].loc["labels"]
    # Spots on tiles of the rim are on no cluster.
    assert (whole["n_compared"], whole["n_on_outliers"]) == (165, 20)
    assert masked["n_compared"] == pytest.approx(133, abs=10)
    assert masked["n_clusters"] == stages["no_potts"].loc["labels", "n_clusters"] == 1
    assert "one cluster" in masked["reason"]
    assert whole["ari"] == pytest.approx(0.058, abs=0.03)
    assert whole["nmi"] == pytest.approx(0.17, abs=0.05)
    # Chance alone gives smooth maps an index above 0.
    assert 0.01 < whole["ari_null"] < 0.06
    for variant in ("full", "no_mask"):
        start = stages[variant].loc["start"]
        assert start["ari"] > 2 * start["ari_null"]
        assert start["ari_p"] < 0.05


@pytest.mark.real
def test_the_table_of_a_section_is_that_of_its_spots(breast: Cohort) -> None:
    folder = breast.folder / "results/agreement/expression/no_mask"
    spots = read(folder / "spots/her2st_C2.tsv")
    table = json.loads((folder / "her2st_C2.json").read_text())["contingency"]
    counted = pd.crosstab(spots["label"].astype(str), spots["cluster"])
    assert counted.index.tolist() == table["labels"]
    assert counted.columns.tolist() == table["clusters"]
    np.testing.assert_array_equal(counted.to_numpy(), table["counts"])
