"""Figures say what the numbers say, or why there are none, and are the same bytes each time."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from histohet.clinical.settings import Covariate
from histohet.common.provenance import Provenance
from histohet.drawing.palette import CLUSTER_COLOURS
from histohet.drawing.style import save_figure
from histohet.survival.cox import CoxResult, CoxTerm
from histohet.survival.curves import KaplanMeier, LogRank, kaplan_meier
from histohet.survival.endpoint import EndpointAnalysis, analyse_endpoint
from histohet.survival.figures.forest import draw_forest
from histohet.survival.figures.kaplan_meier import draw_kaplan_meier

COVARIATES = (
    Covariate(column="age", kind="numeric", name="Age at diagnosis"),
    Covariate(column="n", kind="categorical", name="Nodal stage", reference="N0"),
)
EFFORT: dict[str, Any] = {"permutations": 99, "replicates": 20, "seed": 0}
PROVENANCE = Provenance({"grouping": "quartiles", "note": '5 < 6 & "µ"'}, {"clinical": "c.tsv"})


@pytest.fixture(scope="module")
def cohort() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    n = 90
    score = rng.integers(1, 6, n).astype(float)
    death = rng.exponential(30 / 1.3 ** (score - 3))
    censoring = rng.uniform(1, 80, n)
    return pd.DataFrame(
        {
            "patient": np.arange(n).astype(str),
            "n_tiles": rng.integers(50, 900, n),
            "time_months": np.minimum(death, censoring),
            "event": death < censoring,
            "score": score,
            "group": np.where(score <= 2, "low", np.where(score > 4, "high", "middle")),
            "Age at diagnosis": np.where(np.arange(n) < 3, np.nan, rng.normal(65, 9, n)),
            "Nodal stage": rng.choice(["N0", "N1", "N2"], n),
        }
    )


@pytest.fixture(scope="module")
def analysis(cohort: pd.DataFrame) -> EndpointAnalysis:
    return analyse_endpoint(cohort, COVARIATES, **EFFORT)


@pytest.fixture(scope="module")
def one_group(cohort: pd.DataFrame) -> EndpointAnalysis:
    return analyse_endpoint(cohort.assign(group="low", score=1.0), COVARIATES, **EFFORT)


def texts(figure: Figure) -> str:
    """Everything written in a figure, lines joined."""
    figure.canvas.draw()
    found = [text.get_text() for text in figure.findobj(Text) if text.get_visible()]
    return "\n".join(found).replace("\n", " ")


def plot_of(figure: Figure) -> Axes:
    return next(axes for axes in figure.axes if axes.get_xscale() == "log")


def draw(analysis: EndpointAnalysis) -> Figure:
    return draw_kaplan_meier({"Overall survival": analysis}, title="Clusters")


def of_curves(analysis: EndpointAnalysis, *curves: KaplanMeier) -> Figure:
    return draw(dataclasses.replace(analysis, curves=curves))


def test_curves_show_the_estimates(analysis: EndpointAnalysis) -> None:
    figure = draw(analysis)
    axes = figure.axes[0]
    for curve, colour in zip(analysis.curves, ("#0072B2", "#D55E00"), strict=True):
        line, ticks = (
            next(
                line
                for line in axes.lines
                if line.get_color() == colour
                and line.get_alpha() is None
                and line.get_marker() == marker
            )
            for marker in ("None", "|")
        )
        x, y = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
        # The step at each time ends at the estimate.
        for time, survival in zip(curve.time, curve.survival, strict=True):
            assert y[x == time].min() == survival
        assert len(np.asarray(ticks.get_xdata())) == np.count_nonzero(curve.censored)
    assert axes.get_ylabel() == "Overall survival"
    assert axes.get_xlabel() == "Months"


def test_numbers_at_risk_stand_under_their_time(
    cohort: pd.DataFrame, analysis: EndpointAnalysis
) -> None:
    figure = draw(analysis)
    figure.canvas.draw()
    above, below = figure.axes
    assert above.get_xlim() == below.get_xlim()
    assert above.get_position().x0 == pytest.approx(below.get_position().x0)
    assert above.get_position().x1 == pytest.approx(below.get_position().x1)
    ticks = above.get_xticks()
    groups = [label.get_text() for label in below.get_yticklabels()]
    assert groups == ["low", "high"]
    counts = {text.get_position(): text.get_text() for text in below.texts}
    assert len(counts) == 2 * len(ticks)
    for (tick, row), text in counts.items():
        assert tick in ticks
        times = cohort.loc[cohort["group"] == groups[round(row)], "time_months"]
        assert int(text) == (times >= tick).sum()


def test_panel_states_test_hazard_ratio_and_counts(analysis: EndpointAnalysis) -> None:
    written = texts(draw(analysis))
    term, low = analysis.models["high vs low"].cox.terms[0], analysis.curves[0]
    interval = f"(95 % CI {term.lower:.2f}–{term.upper:.2f})"
    assert f"HR high vs low {term.hazard_ratio:.2f} {interval}" in written
    assert analysis.log_rank is not None
    assert (analysis.log_rank.p or 1) < 0.001
    assert "log-rank p < 0.001, permutation p = 0.010" in written
    weaker = LogRank("ok", chi2=4.64, dof=1, p=0.0312)
    found = texts(draw(dataclasses.replace(analysis, log_rank=weaker)))
    assert "log-rank p = 0.031, permutation p = 0.010" in found
    assert f"low: n = {low.n}, {low.events} events, median {low.median:.1f} mo" in written


def test_a_searched_cut_shows_the_p_of_the_search_alone(cohort: pd.DataFrame) -> None:
    searched = analyse_endpoint(cohort, groups="searched", **EFFORT)
    assert searched.best_cut is not None
    written = texts(draw(searched))
    assert f"best of {searched.best_cut.n_cuts} cuts: low ≤ {searched.best_cut.cut:g}" in written
    assert f"permutation p of the search = {searched.best_cut.permutation_p:.3f}" in written
    assert "HR" not in written
    assert "log-rank" not in written


def test_a_score_without_groups_has_one_curve(cohort: pd.DataFrame) -> None:
    written = texts(draw(analyse_endpoint(cohort, groups="none", **EFFORT)))
    assert "all: n = 90" in written
    assert "HR" not in written


def test_every_endpoint_has_a_panel(analysis: EndpointAnalysis) -> None:
    panels = {"OS": analysis, "DSS": analysis, "PFS": analysis}
    figure = draw_kaplan_meier(panels, title="")
    assert [axes.get_ylabel() for axes in figure.axes[::2]] == list(panels)
    figure.canvas.draw()
    for above, below in zip(figure.axes[::2], figure.axes[1::2], strict=True):
        assert above.get_xlim() == below.get_xlim()
        assert above.get_position().x0 == pytest.approx(below.get_position().x0)
        assert above.get_position().y0 > below.get_position().y1


def test_an_empty_group_is_said_to_be_empty(one_group: EndpointAnalysis) -> None:
    written = texts(draw(one_group))
    assert "no hazard ratio: all 90 patients have the same group, low" in written
    assert "no log-rank test: two groups are needed, all patients are in 'low'" in written
    assert "high: no patient" in written


def test_a_median_that_is_not_reached(analysis: EndpointAnalysis) -> None:
    curve = kaplan_meier([1, 2, 3, 4], [1, 0, 0, 0], "low")
    assert "low: n = 4, 1 events, median not reached" in texts(of_curves(analysis, curve))


@pytest.mark.parametrize("longest", [0.0, 0.4, 3, 7.9, 24, 25, 84, 300, 700])
def test_ticks_cover_every_follow_up(analysis: EndpointAnalysis, longest: float) -> None:
    curve = kaplan_meier([longest / 2, longest], [1, 0], "low")
    ticks = of_curves(analysis, curve).axes[0].get_xticks()
    assert 2 <= len(ticks) <= 9
    assert ticks[0] == 0
    assert ticks[-1] >= longest


def test_forest_has_a_row_per_term_and_reference(analysis: EndpointAnalysis) -> None:
    model = analysis.models["high vs low, adjusted"].cox
    figure = draw_forest({"OS": model}, title="Adjusted")
    written = texts(figure)
    for term in model.terms:
        decimals = 3 if term.upper - term.lower < 0.1 else 2
        ratio, lower, upper = (
            f"{value:.{decimals}f}" for value in (term.hazard_ratio, term.lower, term.upper)
        )
        assert f"{ratio} ({lower}–{upper})" in written
        assert f"{term.n} ({term.events})" in written
    assert written.count("reference") == 2
    assert [(r.term, r.level) for r in model.references] == [
        ("group", "low"),
        ("Nodal stage", "N0"),
    ]
    for reference in model.references:
        assert f"{reference.n} ({reference.events})" in written
    middle = model.left_out["group"]
    assert f"group {middle}, Age at diagnosis 3" in written
    assert f"OS: {model.n} patients, {model.events} events" in written
    # A term has one test of proportional hazards, however many levels.
    ph = [f"{p:.3f}" for p in dict.fromkeys(term.ph_p for term in model.terms) if p is not None]
    assert len(ph) == 3
    assert [text.get_text() for text in figure.axes[2].texts].count(ph[-1]) == 1
    assert "Efron" in written
    plot = plot_of(figure)
    squares = [line for line in plot.lines if line.get_marker() == "s"]
    drawn = [float(np.asarray(line.get_xdata())[0]) for line in squares]
    assert drawn == [term.hazard_ratio for term in model.terms]


def test_forest_has_a_row_for_a_level_without_estimate(cohort: pd.DataFrame) -> None:
    rare = cohort.assign(event=cohort["event"] & (cohort.index != 5))
    rare.loc[5, "Nodal stage"] = "N3"
    model = analyse_endpoint(rare, COVARIATES, **EFFORT).models["per SD, adjusted"].cox
    figure = draw_forest({"OS": model}, title="")
    assert [text.get_text() for text in figure.axes[0].texts].count("1 (0)") == 1
    right = [text.get_text() for text in figure.axes[2].texts]
    assert (right.count("no estimate"), right.count("reference")) == (1, 1)
    assert "no estimate of Nodal stage: N3 vs N0" in texts(figure).replace("\n", " ")


def test_endpoints_stand_one_below_the_other(analysis: EndpointAnalysis) -> None:
    model = analysis.models["high vs low"].cox
    nothing = CoxResult("not_estimable", 9, 0, "0 events among 9 patients")
    figure = draw_forest({"OS": model, "DSS": nothing, "PFS": model}, title="")
    written = texts(figure)
    assert "DSS: 0 events among 9 patients" in written
    assert written.count("reference") == 2
    left = [text.get_text() for text in figure.axes[0].texts]
    assert [text for text in left if text in ("OS", "PFS", "group")] == [
        *("OS", "group", "PFS", "group")
    ]


def test_few_events_per_variable_stand_below(cohort: pd.DataFrame) -> None:
    few = analyse_endpoint(cohort[:40], COVARIATES, **EFFORT).models["high vs low, adjusted"].cox
    assert few.warning in texts(draw_forest({"OS": few}, title=""))


def with_ratio(ratio: float, lower: float, upper: float) -> CoxResult:
    term = CoxTerm("x", "", "", "x", 9, 5, ratio, lower, upper, 0.2, np.log(ratio), 1.0)
    return CoxResult("ok", 9, 5, terms=(term,))


@pytest.mark.parametrize(
    ("ratio", "lower", "upper", "written", "arrows"),
    [
        (1.5, 0.9, 2.6, "1.50 (0.90–2.60)", ""),
        (1.003, 1.001, 1.005, "1.003 (1.001–1.005)", ""),
        (25.0, 1.2, 640.0, "25.0 (1.20–640)", ">"),
        (0.004, 0.0001, 0.5, "<0.01 (<0.01–0.50)", "<"),
        (2000.0, 0.001, 1e6, ">1000 (<0.01–>1000)", "<>"),
    ],
)
def test_long_intervals_are_cut_and_marked(
    ratio: float, lower: float, upper: float, written: str, arrows: str
) -> None:
    figure = draw_forest({"": with_ratio(ratio, lower, upper)}, title="")
    assert written in texts(figure)
    plot = plot_of(figure)
    assert (
        "".join(str(line.get_marker()) for line in plot.lines if line.get_marker() in "<>")
        == arrows
    )
    left, right = plot.get_xlim()
    assert left < 1 < right
    for line in plot.lines:
        x = np.asarray(line.get_xdata(), dtype=float)
        assert ((x >= left) & (x <= right)).all()


def test_no_estimate_is_a_figure_that_says_why(cohort: pd.DataFrame) -> None:
    nobody = analyse_endpoint(cohort.iloc[:0], COVARIATES, **EFFORT)
    assert "No patient is in a group" in texts(draw(nobody))
    model = nobody.models["high vs low"].cox
    assert "0 events among 0 patients" in texts(draw_forest({"OS": model}, title=""))


def settings_in_force() -> dict[str, Any]:
    """The user's settings; asking for the backend itself would choose one."""
    return {key: value for key, value in dict.items(mpl.rcParams) if key != "backend"}


def test_files_are_the_same_bytes_and_carry_their_provenance(
    analysis: EndpointAnalysis, tmp_path: Path
) -> None:
    first = [tmp_path / "a" / f"km{suffix}" for suffix in (".svg", ".png")]
    second = [tmp_path / "b" / f"km{suffix}" for suffix in (".svg", ".png")]
    before = settings_in_force()
    save_figure(draw(analysis), first, PROVENANCE)
    assert settings_in_force() == before
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "none"}):
        save_figure(draw(analysis), second, PROVENANCE)
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert sorted(path.name for path in first[0].parent.iterdir()) == ["km.png", "km.svg"]

    described = Image.open(first[1]).text["Description"]  # type: ignore[attr-defined]
    assert json.loads(described) == PROVENANCE.as_dict()
    metadata = {
        element.tag.rpartition("}")[2]: element.text
        for element in ElementTree.parse(first[0]).iter()
        if "purl.org" in element.tag
    }
    assert json.loads(metadata["description"] or "") == PROVENANCE.as_dict()
    assert "date" not in metadata


def test_figures_leave_no_global_state(analysis: EndpointAnalysis, tmp_path: Path) -> None:
    from matplotlib._pylab_helpers import Gcf

    figure = draw(analysis)
    save_figure(figure, [tmp_path / "km.png"], PROVENANCE)
    assert not Gcf.figs
    assert not figure.axes


def test_unknown_groups_get_colours_of_their_own(analysis: EndpointAnalysis) -> None:
    figure = of_curves(analysis, *(kaplan_meier([1, 2], [1, 0], label) for label in ("I", "II")))
    colours = {label.get_color() for label in figure.axes[1].get_yticklabels()}
    assert colours == {CLUSTER_COLOURS[0], CLUSTER_COLOURS[1]}
