"""Checklists: every item has words, and what is answered is what tables made by hand say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from histohet.clinical.settings import Covariate
from histohet.cohort.settings import AnalysisSettings
from histohet.common.files import write_json
from histohet.common.html import write_html
from histohet.common.provenance import Provenance
from histohet.common.tables import write_tsv
from histohet.fusion.characteristics import COLUMNS as OF_CHARACTERISTICS
from histohet.fusion.checklist.features import feature_sections, kept_features, steps
from histohet.fusion.checklist.page import ANSWERS, answered, read_checklists, sections
from histohet.fusion.checklist.run import Run, read_run, span, with_interval
from histohet.fusion.flow import COLUMNS as OF_FLOW
from histohet.fusion.groups import COLUMNS as OF_GROUPS
from histohet.fusion.settings import FusionSettings
from histohet.prognosis.evaluation import Estimate
from histohet.radiomics.table import OF_SCAN

FULL = "clinical + ct"


def estimate(model: str, measure: str, value: float, low: float, high: float, **more: Any) -> dict:
    who = more.pop("patients", "all")
    known = {"horizon_months": 36.0, "n": 40, "events": 13} | more
    return {"patients": who} | Estimate(model, measure, value, low, high, **known).row()


ESTIMATES = [
    estimate(FULL, "auc", 0.74, 0.48, 0.94),
    estimate(FULL, "auc", 0.71, 0.52, 0.87, horizon_months=24.0),
    estimate(FULL, "c_index", 0.69, 0.56, 0.83),
    estimate(FULL, "brier_skill", -0.04, -0.41, 0.22),
    estimate("clinical", "auc", 0.69, 0.4, 0.93),
    estimate("volume", "auc", 0.66, 0.42, 0.87),
    estimate("nothing", "auc", 0.5, 0.5, 0.5),
    estimate(FULL, "auc_gain", 0.05, -0.08, 0.2, against="clinical"),
    estimate(FULL, "auc_gain", 0.08, 0.01, 0.3, against="volume"),
    estimate(FULL, "calibration_slope", 0.57, -0.1, 1.2, horizon_months=None),
    estimate(FULL, "observed_over_predicted", 0.95, 0.5, 1.4),
    estimate(FULL, "permutation_p", 0.02, float("nan"), float("nan")),
    estimate(FULL, "auc", 0.61, 0.3, 0.9, patients="complete", n=24, events=5),
]
FLOW = [
    ("scans", "ct", 24, 2, "ct: 4 dimensions", "s1, s2"),
    ("step", "clinical tables", 42, 0, "", ""),
    ("step", "LM known", 40, 2, "time or event unknown", "a, b"),
    ("step", "some block", 40, 0, "", ""),
    ("block", "ct", 24, 14, "no ct", "…"),
    ("block", "ct", 24, 2, "event … days before the scan", "…"),
    ("outcome", "LM", 13, 0, "", ""),
    ("outcome", "competing event", 4, 0, "", ""),
    ("outcome", "neither", 23, 0, "", ""),
]
CHARACTERISTICS = [
    ("clinical", "few", "", 40, 0, ""),
    ("clinical", "few", "age", 40, 0, "57 (45 to 66; 17 to 83)"),
    ("clinical", "few", "grade", 37, 3, "High 23, Low 14"),
    ("ct", "features", "", 24, 16, "engine z-rad 26.9.0, settings {…}"),
    ("outcome", "neither", "months", 23, 0, "27 (21 to 41; 12 to 65)"),
]
KEPT = [("ct", f"f{i}", 0.5) for i in range(169)]
FITS = [
    (FULL, 1, fold, block, cause, penalty, columns, unstable, spread)
    for cause in (1, 2)
    for fold, block, penalty, columns, unstable, spread in (
        (1, "clinical", float("nan"), 3, 0, 0.8),
        (2, "clinical", float("nan"), 3, 0, 0.6),
        (1, "ct", 10.0, 60, 13, 0.4),
        (2, "ct", 100.0, 81, 32, 0.2),
    )
]
FIT_COLUMNS = (
    *("model", "repeat", "fold", "block", "cause"),
    *("penalty", "columns", "unstable", "spread"),
)
SUBGROUPS = [
    ("batch", "A", 25, 9, 2, 36.0, 0.31, 0.36, 0.2, 0.5, 0.7, 0.5, 0.9),
    ("batch", "B", 15, 4, 2, 36.0, 0.3, float("nan"), *[float("nan")] * 5),
]
SCANS = [
    ("s1", "p1", "portal", "A", "-3", "sheet", "ok", ""),
    ("s2", "p2", "portal", "B", "10", "sheet", "ok", ""),
    ("s3", "p3", "", "B", None, "sheet", "refused", "ct: 4 dimensions"),
]
STABILITY = [
    ("a", "shape", "perturbation", 24, 0.9),
    ("b", "shape", "perturbation", 24, 0.5),
    ("c", "GLCM", "perturbation", 24, 0.8),
    ("a", "shape", "reader", 7, 0.8),
]
ANALYSIS = AnalysisSettings(
    name="main",
    where={"stage": ("I", "II")},
    covariates=(
        Covariate(column="age", kind="numeric", name="age"),
        Covariate(column="grade", kind="categorical", name="grade", reference="Low"),
    ),
)
SETTINGS = FusionSettings(
    endpoint="LM",
    blocks=("clinical", "ct"),
    tables={"ct": "results/radiomics/features.tsv"},
    volume="ct:volume",
    permutations=99,
)
MODEL = {
    "software": "histohet 9.9",
    "fusion": "early",
    "trained_on": {
        "patients": 40,
        "events": 13,
        "competing": 4,
        "horizons": [24, 36],
        "incidence": [0.304, 0.339],
    },
    "blocks": {
        "clinical": {"columns": ["a"] * 3, "missing_in_training": None},
        "ct": {"columns": ["b"] * 74, "missing_in_training": 0.4},
    },
    "numbers": {"file": "model.safetensors", "sha256": "e9a1f80eb559" + "0" * 52},
}
RUN = Run(
    settings=SETTINGS,
    analysis=ANALYSIS,
    seed=314,
    applied=False,
    tables={
        "estimates": pd.DataFrame(ESTIMATES),
        "subgroups": pd.DataFrame(SUBGROUPS, columns=["by", "group", *OF_GROUPS]),
        "fits": pd.DataFrame(FITS, columns=list(FIT_COLUMNS)),
        "kept": pd.DataFrame(KEPT, columns=["block", "column", "share"]),
        "flow": pd.DataFrame(FLOW, columns=list(OF_FLOW)),
        "characteristics": pd.DataFrame(CHARACTERISTICS, columns=list(OF_CHARACTERISTICS)),
    },
    model=MODEL,
    clinical=[
        {"endpoints": {"OS": {"event": "dead", "events": [1]}}},
        {"endpoints": {"LM": {"event": "status", "events": ["met"], "competing": ["dead"]}}},
    ],
    ct={"spacing_mm": 2.0, "range_hu": [-150.0, 250.0]},
    radiomics={"engine": "z-rad", "bin_width_hu": 25.0},
    scans=pd.DataFrame(SCANS, columns=list(OF_SCAN)),
    stability=pd.DataFrame(STABILITY, columns=["feature", "family", "source", "n_scans", "low"]),
)
APPLIED = replace(
    RUN,
    applied=True,
    settings=SETTINGS.model_copy(update={"model": "there/model.json"}),
    tables=RUN.tables | {name: RUN.tables[name].iloc[:0] for name in ("fits", "kept")},
)
NOTHING_KNOWN = replace(
    RUN,
    # Who is analysed is always known.
    tables={name: one.iloc[: 99 if name == "flow" else 0] for name, one in RUN.tables.items()},
    model={},
    clinical=[],
    ct={},
    radiomics={},
    scans=None,
    stability=None,
)

SAID = {
    "outcome": (
        "LM; column 'status': events met, competing dead; by 24 and 36 months; "
        "LM 13, competing event 4, neither 23"
    ),
    "predictors": "clinical: age, grade; ct: 169 columns",
    "other_predictors": "age: numeric; grade: categorical, against Low",
    "measurement": (
        "age: numeric; grade: categorical, against Low; ct: engine z-rad 26.9.0, settings {…}"
    ),
    "eligibility": "stage: I, II; LM known; some block",
    "flow": (
        "clinical tables 42; LM known 40, not: time or event unknown (n = 2); some block 40; "
        "with ct 24, not: no ct (n = 14), event … days before the scan (n = 2); LM 13, competing "
        "event 4, neither 23; months of follow-up without either event 27 (21 to 41; 12 to 65)"
    ),
    "baseline": (
        "age 57 (45 to 66; 17 to 83); grade High 23, Low 14; months of follow-up without either "
        "event 27 (21 to 41; 12 to 65)"
    ),
    "missing": (
        "block ct missing in 16 of 40; grade in 3 of those with block clinical; a block counts as "
        "at the training mean, with an indicator; a number as the median; complete cases: 24, "
        "events 5, AUC 0.61"
    ),
    "preparation": "ct: 24 of 26 in its table usable, not: ct: 4 dimensions (n = 2)",
    "balance": (
        "LM 13 of 40; incidence by 24 months 0.30; incidence by 36 months 0.34; no resampling, "
        "no weights by class"
    ),
    "analysed": (
        "all patients 40, events 13; complete patients 24, events 5; each of 25 fits trained on 4 "
        "of 5 folds; saved model trained on 40, events 13"
    ),
    "sample_size": (
        "LM 13, competing event 4, neither 23; columns per fit: clinical 3, ct 60 to 81"
    ),
    "performance": (
        "clinical + ct: AUC by 36 months 0.74 (0.48 to 0.94); AUC by 24 months 0.71 (0.52 to "
        "0.87); C by 36 months 0.69 (0.56 to 0.83); Brier skill by 36 months −0.04 (−0.41 to 0.22)"
    ),
    "calibration": (
        "calibration slope 0.57 (−0.10 to 1.20); observed over predicted by 36 months 0.95 (0.50 "
        "to 1.40)"
    ),
    "comparison": (
        "paired differences, the same resamples for all: 2 of AUC, C and Brier score; intervals "
        "without 0: 1; not corrected for their number"
    ),
    "gains": (
        "gain in AUC by 36 months: over clinical 0.05 (−0.08 to 0.20); over volume 0.08 (0.01 to "
        "0.30)"
    ),
    "simple": (
        "AUC by 36 months: clinical 0.69 (0.40 to 0.93); volume 0.66 (0.42 to 0.87); nothing 0.50 "
        "(0.50 to 0.50)"
    ),
    "clusters": (
        "batch A: n 25, events 9, predicted 0.31, observed 0.36, C 0.70; batch B: n 15, events 4, "
        "predicted 0.30, observed unknown"
    ),
    "internal": "nested cross-validation, 5 × 5 folds",
    "specification": (
        "model.json with model.safetensors (SHA-256 e9a1f80eb559…); coefficients: clinical 3, ct "
        "74; baseline hazards of both events"
    ),
    "families": "shape 2; GLCM 1",
    "n_features": "ct 169",
    "segmentation": "3-D regions of label images on the grid of the CT: 2 of 3 scans; by sheet 2",
    "readers": "one mask per scan counts, the first of the sheet; 7 scans with masks of others too",
    "resampling": (
        "voxels of 2 mm; image linear, whole HU; mask linear, kept from 0.5; same centre"
    ),
    "discretisation": "bins of 25 HU, numbered from -150 HU",
    "stability": (
        "ICC(1,1) by perturbation, 24 scans: 2 of 3 from 0.75 at the lower end of the interval; "
        "ICC(1,1) by reader, 7 scans: 1 of 1 from 0.75 at the lower end of the interval; left out "
        "in the training folds: ct 13 to 32"
    ),
    "reduction": (
        "ICC from 0.75; |Spearman| above 0.95: one stays; by the training patients; ct: 60 to 81 "
        "of 169 stay"
    ),
    "phases": "phase portal: 2; batch A: 1; batch B: 1",
    "interval": (
        "day of the scan from time zero: median 3.5, -3 to 10; 2 left out: event before the scan"
    ),
    "feature_files": "ct: results/radiomics/features.tsv",
}


@pytest.mark.parametrize(("name", "text"), SAID.items())
def test_an_answer_is_what_the_tables_say(name: str, text: str) -> None:
    assert ANSWERS[name](RUN) == text


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("partition", "5 × 5 folds, by patient, events dealt evenly, seed 314"),
        ("building", "a penalty for each block"),
        ("tuning", "ct: 10 to 100, median 55"),
        ("uncertainty", "p 0.02 by 99 permutations"),
        ("importance", "clinical 0.70, ct 0.30"),
        ("confounders", "gain in AUC over the volume 0.08 (0.01 to 0.30); batch A"),
        ("extraction", "IBSI: 482 of 482"),
        ("preprocessing", "from -150 to 250 HU"),
        ("parameters", '"bin_width_hu": 25.0'),
        ("poor_input", "trained with patients who lack ct"),
        ("prediction", "written by histohet 9.9"),
        ("measures", "thresholds from 0.05 to 0.5"),
        ("output", "probability of LM by 24 and 36 months"),
        ("models", "4: clinical + ct; clinical; volume; nothing"),
    ],
)
def test_an_answer_holds_the_numbers_of_the_run(name: str, part: str) -> None:
    assert part in ANSWERS[name](RUN)


def test_a_model_of_another_run_is_said_to_be_that() -> None:
    assert ANSWERS["external"](APPLIED) == (
        "model of another run, trained on 40 patients; applied to 40 here; nothing fitted"
    )
    assert ANSWERS["internal"](APPLIED) == ANSWERS["tuning"](APPLIED) == ""
    assert ANSWERS["sample_size"](APPLIED).endswith("columns per fit: clinical 3, ct 74")
    assert "here: 40 patients, events 13, competing 4" in ANSWERS["elsewhere"](APPLIED)
    assert ANSWERS["updating"](APPLIED) == "none: applied as it is"
    assert "does not apply" in ANSWERS["updating"](RUN)
    late = replace(APPLIED, model=MODEL | {"fusion": "late"})
    assert late.full == "late: clinical + ct"
    status = answered(APPLIED).set_index(["checklist", "item"])["status"]
    assert status[("METRICS", "26")] == "open"
    assert status[("METRICS", "27")] == "partly"


def test_competing_events_may_have_columns_of_their_own() -> None:
    own = {"column": "vital", "events": ["Dead"], "censored": ["Alive"]}
    endpoint = {"event": "status", "events": ["met"], "competing": own}
    run = replace(RUN, clinical=[{"endpoints": {"LM": endpoint}}])
    assert "events met, competing Dead in column 'vital'; by" in ANSWERS["outcome"](run)


def test_bins_and_engines_are_told_apart() -> None:
    bins = replace(RUN, radiomics={"engine": "paper", "bins": 32})
    assert ANSWERS["discretisation"](bins).startswith("32 equal bins")
    paper = replace(RUN, radiomics=RUN.radiomics | {"engine": "paper"})
    assert ANSWERS["discretisation"](paper).endswith("from the darkest voxel")


def test_who_found_the_regions_is_told_where_it_is_known() -> None:
    assert RUN.scans is not None
    found_by = RUN.scans.assign(region_from=["segmentation", "sheet", None])
    said = ANSWERS["segmentation"](replace(RUN, scans=found_by))
    assert said.endswith("2 of 3 scans; by segmentation 1; by sheet 1")


def test_what_is_not_known_is_open() -> None:
    """Of a run that has made nothing, only what it was told is answered."""
    table = answered(NOTHING_KNOWN)
    of_numbers = ("performance", "calibration", "gains", "simple", "clusters", "stability")
    of_scans = ("segmentation", "readers", "resampling", "discretisation", "phases", "interval")
    for name in (*of_numbers, *of_scans, "comparison", "uncertainty", "specification", "families"):
        assert ANSWERS[name](NOTHING_KNOWN) == "", name
    opened = table[table["status"] == "open"]
    assert (opened["answer"] == "").all()
    assert (opened["yours"] == "all of it").all()
    assert len(opened) > len(answered(RUN).query("status == 'open'"))


def test_every_item_has_words_and_an_answer_or_is_open() -> None:
    sizes = {one["name"]: len(one["items"]) for one in read_checklists()}
    # As published: 27 items with 52 parts; 58; 30.
    assert sizes == {"TRIPOD+AI": 52, "CLEAR": 58, "METRICS": 30}
    table = answered(RUN)
    assert not table.duplicated(["checklist", "item"]).any()
    assert (table["about"].str.len() > 3).all()
    items = [item for one in read_checklists() for item in one["items"]]
    assert {item["answer"] for item in items if "answer" in item} == set(ANSWERS)
    of = {name: part["item"].tolist() for name, part in table.groupby("checklist")}
    assert {one.rstrip("abcdefg") for one in of["TRIPOD+AI"]} == {str(n) for n in range(1, 28)}
    assert of["CLEAR"] == [str(n) for n in range(1, 59)]
    assert of["METRICS"] == [str(n) for n in range(1, 31)]
    assert (table["status"] == "open").equals(table["answer"] == "")
    assert set(table.loc[table["status"] == "answered", "yours"]) == {""}


def test_features_are_counted_at_each_step() -> None:
    table = steps(RUN)
    assert table.to_numpy().tolist() == [
        ["ct", "in the table", "", "169"],
        ["ct", "left out: depend on the mask", "min_icc: 0.75", "13 to 32"],
        ["ct", "left out: repeat others, do not vary", "max_correlation: 0.95", "56 to 96"],
        ["ct", "kept", "", "60 to 81"],
    ]
    few = replace(RUN, settings=SETTINGS.model_copy(update={"max_features": 5, "min_icc": None}))
    assert steps(few)["setting"].tolist()[1:3] == [
        "min_icc: null",
        "max_correlation: 0.95, max_features: 5",
    ]
    kept = pd.DataFrame({"block": "ct", "column": list("abd"), "share": [0.2, 1.0, 0.0]})
    found = kept_features(replace(RUN, tables=RUN.tables | {"kept": kept})).set_index("column")
    assert found.index.tolist() == ["b", "a", "d"]
    assert found["ICC from, by perturbation"].tolist()[:2] == [0.5, 0.9]
    assert found.loc["a", "ICC from, by reader"] == 0.8
    assert found.loc["d"].isna().sum() == 2
    assert list(kept_features(replace(RUN, stability=None))) == ["block", "column", "share"]
    assert next(iter(feature_sections(APPLIED))) == "Features at each step, in 25 fits"
    assert all(table.empty for table in feature_sections(APPLIED).values())


def test_the_page_escapes_what_tables_hold(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    named = RUN.tables["flow"].replace("time or event unknown", evil)
    run = replace(RUN, tables=RUN.tables | {"flow": named})
    shown = sections(answered(run))
    counts = shown["Reporting checklists, answered from this run"].set_index("checklist")
    assert counts.loc["METRICS", ["answered", "partly", "open"]].sum() == 30
    write_html(tmp_path / "page.html", shown, Provenance())
    page = (tmp_path / "page.html").read_text()
    assert evil not in page
    assert "&lt;script&gt;" in page
    assert page.count("<h2>") == 4
    assert "open: yours to answer" in page


def test_numbers_are_written_as_people_do() -> None:
    row = pd.Series({"estimate": -0.123, "lower": -1.0, "upper": float("nan")})
    assert with_interval(row) == "−0.12"
    assert span([3.0, float("nan"), 3.0]) == "3"
    assert span([1.0, 2.5]) == "1 to 2.5"
    assert span([]) == ""


def test_a_run_without_scans_is_read_without_them(tmp_path: Path) -> None:
    files: dict[str, Any] = {"scans": [], "model": str(tmp_path / "model.json")}
    write_json(files["model"], MODEL)
    for name, table in RUN.tables.items():
        files[name] = str(tmp_path / f"{name}.tsv")
        write_tsv(files[name], table, Provenance())
    told = {
        "fusion": SETTINGS.canonical(),
        "analysis": ANALYSIS.canonical(),
        "seed": 314,
        "clinical": RUN.clinical,
        "extraction": {},
    }
    run = read_run(files, told, "cross_validated")
    assert run.scans is None
    assert not run.applied
    assert ANSWERS["performance"](run) == SAID["performance"]
    assert ANSWERS["clusters"](run) == SAID["clusters"]
    assert ANSWERS["resampling"](run) == ""
