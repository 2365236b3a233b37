"""Whose outcome and blocks are put together: files, flow, refusals (about 1 s)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from histohet.clinical.settings import Covariate
from histohet.clinical.table import ClinicalTable
from histohet.cohort.settings import AnalysisSettings
from histohet.common.outcome import OK
from histohet.common.provenance import Provenance
from histohet.features.slide_vectors import SlideEmbedding, write_embedding_tables
from histohet.fusion.errors import FusionError
from histohet.fusion.feature_table import FeatureTable, read_feature_table
from histohet.fusion.patients import FusionCohort, fusion_cohort
from histohet.fusion.settings import FusionSettings

FRAME = pd.DataFrame(
    {
        "patient": list("abcdef"),
        "LM_months": [1.0, 2.0, 12.0, np.nan, 5.0, 6.0],
        "LM_event": pd.array([1, 0, 0, None, 1, 0], "Int8"),
        "LM_competing": pd.array([0, 1, 0, None, 0, 0], "Int8"),
        "age": ["50", "60", "", "70", "80", "66"],
        "grade": ["low", "high", "low", "low", "odd", ""],
        "site": ["X", "X", "Y", "Y", "Y", "X"],
    }
)
AGE = Covariate(column="age", kind="numeric", name="age")
GRADE = Covariate(column="grade", kind="categorical", name="grade", reference="low", drop=("odd",))
ANALYSIS = AnalysisSettings(name="main", covariates=(AGE,))
SETTINGS = FusionSettings(
    endpoint="LM", blocks=("clinical", "ct"), tables={"ct": "ct.tsv"}, volume="ct:volume"
)
ROWS = (
    "scan\tpatient\tscan_day\tstatus\treason\tvolume\tentropy",
    "s1\ta\t-3\tok\t\t10\t1.5",
    "s2\tb\t\trefused\tmask: no voxel of label 6\t\t",
    "s3\tb\t10\tok\t\t30\tNA",
    "s4\tb\t\tok\t\t99\t9",
    "s5\tc\t\trefused\tct: 4 dimensions\t\t",
)


def write(folder: Path, *rows: str, name: str = "ct.tsv") -> Path:
    path = folder / name
    path.write_text("\n".join(rows or ROWS) + "\n")
    return path


def cohort(
    table: FeatureTable,
    settings: FusionSettings = SETTINGS,
    analysis: AnalysisSettings = ANALYSIS,
    frame: pd.DataFrame = FRAME,
) -> FusionCohort:
    clinical = ClinicalTable(frame, pd.DataFrame())
    return fusion_cohort(clinical, analysis, settings, {"ct": table})


@pytest.fixture
def table(tmp_path: Path) -> FeatureTable:
    return read_feature_table(write(tmp_path))


# --- feature tables -------------------------------------------------------------------------------


def test_the_first_scan_with_features_counts(table: FeatureTable) -> None:
    assert table.features.index.tolist() == ["a", "b", "c"]
    assert table.features["volume"].tolist()[:2] == [10, 30]
    assert table.features.loc["c"].isna().all()
    assert np.isnan(table.features.loc["b", "entropy"])
    assert table.without == {"c": "ct: 4 dimensions"}
    assert table.scan_day.to_dict() == {"a": -3, "b": 10}


def test_what_made_them_stands_beside_or_above(tmp_path: Path) -> None:
    path = write(
        tmp_path, "# engine: z-rad 26.9.0", "# bins: 32, fixed", "patient,f", "a,1", name="f.csv"
    )
    found = read_feature_table(path)
    assert found.identity == {"engine": "z-rad 26.9.0", "bins": "32, fixed"}
    assert found.features.loc["a", "f"] == 1
    beside = {"parameters": {"engine": "z-rad 26.9.0", "settings": {"b": 2, "a": 1}, "seed": 3}}
    Path(f"{path}.provenance.json").write_text(json.dumps(beside))
    expected = {"engine": "z-rad 26.9.0", "settings": '{"a": 1, "b": 2}'}
    assert read_feature_table(path).identity == expected
    assert read_feature_table(write(tmp_path)).identity == {}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (("scan\tf", "s\t1"), "has no column 'patient'"),
        (("patient\tstatus", "a\tok"), "has no features"),
        (("# engine: z",), "is empty"),
        (("patient\tf", "a\thigh"), "row 2, column 'f': 'high' is not a number"),
        (("patient\tf", "\t1"), "row 2: no patient"),
        (("patient\tf", "a\t1e300"), "is too large to be measured"),
        (("patient\tf\tf", "a\t1\t2"), "'f'"),
    ],
)
def test_unfit_tables_are_refused(tmp_path: Path, rows: tuple[str, ...], message: str) -> None:
    with pytest.raises(FusionError, match=message):
        read_feature_table(write(tmp_path, *rows))


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FusionError, match=r"feature table: .*gone\.tsv does not exist"):
        read_feature_table(tmp_path / "gone.tsv")


# --- vectors of slides ----------------------------------------------------------------------------

NAMED = ("# encoder: uni", "# weights: sha256 56ef")
VECTORS = (*NAMED, "wsi\tfeat_0\tfeat_1", "s1\t1\t2", "s2\t3\t6", "s3\t5\t5", "s9\t0\t0")
OWNERS = {"s1": "a", "s2": "a", "s3": "b", "s4": "c"}


def test_vectors_of_slides_become_those_of_patients(tmp_path: Path) -> None:
    found = read_feature_table(write(tmp_path, *VECTORS), patients=OWNERS)
    assert found.features.loc["a"].tolist() == [2, 4]
    assert found.features.loc["b"].tolist() == [5, 5]
    assert found.kind == "vector"
    assert found.identity == {"encoder": "uni", "weights": "sha256 56ef"}
    settings = SETTINGS.model_copy(update={"volume": None})
    with_vectors = cohort(found, settings)
    assert with_vectors.blocks["ct"].kind == "vector"
    lost = with_vectors.flow[with_vectors.flow["why"] == "not in the slide sheet"]
    assert lost["who"].tolist() == ["s9"]


def test_our_own_table_of_vectors_says_what_made_it(tmp_path: Path) -> None:
    embeddings = [
        SlideEmbedding(slide, np.array([1, value], np.float32), 3, OK)
        for slide, value in (("s1", 0.1), ("s2", 0.3))
    ]
    made = {"encoder": "uni", "weights": "a" * 64, "masking": "whole", "pooling": "mean"}
    path = tmp_path / "mean.tsv"
    write_embedding_tables(
        embeddings, path, tmp_path / "slides.tsv", OWNERS, Provenance({"made_by": made})
    )
    found = read_feature_table(path, patients=OWNERS)
    assert found.identity == made
    expected = np.array([0.1, 0.3], np.float32).astype(float).mean()
    assert found.features.loc["a", "feat_1"] == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (VECTORS[2:], "does not say of which encoder and weights its vectors are, and width is no"),
        (VECTORS[:1] + VECTORS[2:], "of which weights its vectors are.*write '# weights: …' above"),
        ((*VECTORS, "s1\t0\t0"), "row 8: slide 's1' has two rows"),
        ((*VECTORS, "\t0\t0"), "row 8: no slide"),
        ((*VECTORS[:3], "s1\t1\t"), "row 4, column 'feat_1': a vector has all its numbers"),
        ((*VECTORS[:3], "x\t1\t1"), "none of 1 slides of .* (first: x; there: s1, s2, s3)"),
    ],
)
def test_unfit_vectors_are_refused(tmp_path: Path, rows: tuple[str, ...], message: str) -> None:
    with pytest.raises(FusionError, match=message.replace("(", r"\(").replace(")", r"\)")):
        read_feature_table(write(tmp_path, *rows), patients=OWNERS)


# --- patients -------------------------------------------------------------------------------------


def test_patients_without_features_stay(table: FeatureTable) -> None:
    found = cohort(table)
    assert found.outcome.index.tolist() == ["a", "b", "e", "f"]
    assert found.outcome["state"].tolist() == [1, 2, 1, 0]
    assert found.blocks["ct"].known.tolist() == [True, True, False, False]
    assert found.blocks["volume"].numbers[:2, 0].tolist() == [10, 30]
    assert found.flow.to_numpy().tolist() == [
        ["scans", "ct", 3, 1, "mask: no voxel of label 6", "s2"],
        ["scans", "ct", 3, 1, "ct: 4 dimensions", "s5"],
        ["step", "clinical tables", 6, 0, "", ""],
        ["step", "LM known", 5, 1, "time or event unknown", "d"],
        ["step", "some block", 4, 1, "no block at all", "c"],  # neither age nor CT
        ["block", "clinical", 4, 0, "", ""],
        ["block", "ct", 2, 2, "no ct", "e, f"],
        ["outcome", "LM", 2, 0, "", ""],
        ["outcome", "competing event", 1, 0, "", ""],
        ["outcome", "neither", 1, 0, "", ""],
    ]


def test_a_refused_scan_is_the_reason_why_a_patient_lacks_the_block(tmp_path: Path) -> None:
    rows = [row.replace("s5\tc", "s5\tf") for row in ROWS]
    flow = cohort(read_feature_table(write(tmp_path, *rows))).flow
    of_ct = flow[(flow["kind"] == "block") & (flow["step"] == "ct")]
    assert of_ct[["lost", "why", "who"]].to_numpy().tolist() == [
        [1, "no ct", "e"],
        [1, "ct: 4 dimensions", "f"],
    ]


def test_batch_and_centre_of_patients_are_known(tmp_path: Path) -> None:
    rows = [line.replace("scan_day", "batch") for line in ROWS]
    found = cohort(read_feature_table(write(tmp_path, *rows)))
    assert found.groups.to_dict("list") == {"batch": ["-3", "10", "", ""]}  # of a, b, e, f
    by_site = SETTINGS.model_copy(update={"centre": "site"})
    both = cohort(read_feature_table(write(tmp_path, *rows)), by_site).groups
    assert both["centre"].tolist() == ["X", "X", "Y", "X"]


def test_an_event_before_the_scan_leaves_its_features_out(tmp_path: Path) -> None:
    late = [row.replace("s1\ta\t-3", "s1\ta\t42") for row in ROWS]
    found = cohort(read_feature_table(write(tmp_path, *late)))
    assert found.blocks["ct"].known.tolist() == [False, True, False, False]
    (late,) = found.flow[found.flow["why"] == "event 12 days before the scan"]["who"]
    assert late == "a"


def test_conditions_and_covariates_exclude(table: FeatureTable) -> None:
    analysis = AnalysisSettings(name="main", covariates=(AGE, GRADE), where={"site": ("X", "Y")})
    found = cohort(table, analysis=analysis)
    assert "e" not in found.outcome.index
    assert found.flow.set_index("why").loc["value excluded", "who"] == "e"
    assert found.blocks["clinical"].table.columns.tolist() == ["age", "grade"]
    only = cohort(
        table, analysis=AnalysisSettings(name="m", covariates=(AGE,), where={"site": ("X",)})
    )
    assert only.outcome.index.tolist() == ["a", "b", "f"]


def test_without_competing_codes_there_are_two_states(table: FeatureTable) -> None:
    found = cohort(table, frame=FRAME.drop(columns="LM_competing"))
    assert found.outcome["state"].tolist() == [1, 0, 1, 0]


def test_centres_are_those_of_a_column(table: FeatureTable) -> None:
    by_site = SETTINGS.model_copy(update={"centre": "site"})
    found = cohort(table, by_site)
    assert found.centre is not None
    assert found.centre.tolist() == ["X", "X", "Y", "X"]  # of a, b, e, f
    lacking = FRAME.assign(site=["X", "", "Y", "Y", "Y", "X"])
    with pytest.raises(FusionError, match="patient 'b' has none in column 'site'"):
        cohort(table, by_site, frame=lacking)


def test_slides_are_pooled_and_scored_by_patient(table: FeatureTable) -> None:
    slides = pd.DataFrame(
        {
            "slide": ["a1", "a2", "b1", "x"],
            "patient": ["a", "a", "b", "x"],
            "status": "ok",
            "reason": "",
            "n_tiles": 50,
            "n_clusters": [2.0, 4.0, 3.0, 1.0],
        }
    )
    vectors = pd.DataFrame({"wsi": ["a1", "a2", "x"], "feat_0": [1.0, 3.0, 0.0]})
    settings = FusionSettings(
        endpoint="LM", blocks=("clinical", "slide", "heterogeneity"), scores=("n_clusters",)
    )
    made = {"slide": {"encoder": "uni"}}
    found = fusion_cohort(
        ClinicalTable(FRAME, pd.DataFrame()), ANALYSIS, settings, {}, slides, vectors, made
    )
    assert found.blocks["slide"].numbers[0, 0] == 2
    assert found.blocks["slide"].known.tolist() == [True, False, False, False]
    assert found.blocks["slide"].identity == {"encoder": "uni"}
    assert found.blocks["heterogeneity"].numbers[:2, 0].tolist() == [2, 3]


def test_what_is_missing_is_said(table: FeatureTable) -> None:
    def refused(message: str, settings: FusionSettings = SETTINGS, **other: object) -> None:
        with pytest.raises(FusionError, match=message):
            cohort(table, settings, **other)

    other = SETTINGS.model_copy(update={"endpoint": "OS"})
    refused("no clinical table has the endpoint 'OS'; there are 'LM'", other)
    refused("analysis 'main' has no covariates", analysis=AnalysisSettings(name="main"))
    refused("block 'ct' has no feature 'size'", SETTINGS.model_copy(update={"volume": "ct:size"}))
    slide = FusionSettings(endpoint="LM", blocks=("slide",))
    refused("block 'slide' needs slides, and there are none", slide)
    strangers = table._replace(features=table.features.set_axis(list("xyz")))
    with pytest.raises(FusionError, match="none of 3 patients is in the clinical tables"):
        cohort(strangers)


# --- draws ----------------------------------------------------------------------------------------

DRAWS = (
    "scan\tpatient\tsource\tdraw\tvolume\tentropy",
    "s1\ta\tmask\t0\t10\t1.5",
    "s1\ta\treader\t1\t11\t",
    "s3\tb\tmask\t0\t30\t2",
)


def test_draws_go_with_their_block(tmp_path: Path) -> None:
    table = read_feature_table(write(tmp_path), write(tmp_path, *DRAWS, name="draws.tsv"))
    block = cohort(table).blocks["ct"]
    assert block.draws is not None
    assert block.draws.index.tolist() == ["a", "a", "b"]
    assert block.draws["volume"].tolist() == [10, 11, 30]
    assert np.isnan(block.draws["entropy"].iloc[1])
    assert block.draws["source"].tolist() == ["mask", "reader", "mask"]
    assert cohort(read_feature_table(write(tmp_path))).blocks["ct"].draws is None


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (("scan\tpatient\tdraw\tvolume\tentropy",), r"draws\.tsv has no column 'source'"),
        (("scan\tpatient\tsource\tdraw\tvolume",), r"draws\.tsv has no column 'entropy'"),
        ((*DRAWS, "s3\t\tmask\t0\t30\t2"), "row 5: no patient"),
        ((*DRAWS, "s3\tb\treader\t1\thigh\t2"), "row 5, column 'volume': 'high' is not a number"),
        (
            ("# engine: pyradiomics 3.0.1", *DRAWS),
            r"features of .*draws\.tsv come from engine pyradiomics 3\.0\.1; those of .*ct\.tsv "
            "from an unknown source: make both anew",
        ),
    ],
)
def test_unfit_draws_are_refused(tmp_path: Path, rows: tuple[str, ...], message: str) -> None:
    with pytest.raises(FusionError, match=message):
        read_feature_table(write(tmp_path), write(tmp_path, *rows, name="draws.tsv"))


def test_draws_stand_beside_their_features() -> None:
    tables = {"ct": "a/b/features.tsv", "mr": "x_features.tsv", "pet": "pet.tsv"}
    settings = FusionSettings(endpoint="LM", blocks=("ct", "mr", "pet"), tables=tables)
    assert settings.draws == {"ct": "a/b/draws.tsv", "mr": "x_draws.tsv"}
    assert FusionSettings(endpoint="LM", blocks=("clinical",), min_icc=None).min_icc is None
