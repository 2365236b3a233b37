"""The atlas in a browser shows what the files of the cohort say."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lifelines import KaplanMeierFitter
from PIL import Image

from helpers.atlases import HOSTILE, MPP, Cohort
from histohet.atlas.data import call_text
from histohet.atlas.pyramid import write_pyramid
from histohet.clustering.file import read_clusters
from histohet.drawing.palette import NEUTRAL, cluster_rgb, rgb
from histohet.tiles.file import read_column, read_tiles

Visit = Callable[..., Any]
SLIDE = "slide_04"


# --- where it opens -------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["disk", "server"])
def test_it_opens_and_asks_for_nothing_outside_of_its_folder(
    made: Cohort, served: str, visit: Visit, where: str
) -> None:
    home = made.atlas.as_uri() + "/" if where == "disk" else served
    page = visit(f"{home}index.html", f"#slide={SLIDE}&figure=forest")
    page.page.wait_for_load_state("networkidle")
    outside = [one for one in page.requests if not one.startswith((home, "data:", "blob:"))]
    assert outside == []
    assert any(one.endswith(f"{SLIDE}/picture.webp") for one in page.requests)
    assert any(one.endswith(f"{SLIDE}/1_1.webp") for one in page.requests)


def test_a_folder_that_was_not_copied_whole_says_so(
    made: Cohort, visit: Visit, tmp_path: Path
) -> None:
    for name in ("index.html", "cohort.js", "static"):
        (tmp_path / name).symlink_to(made.atlas / name)
    page = visit(tmp_path / "index.html")
    assert "slide_00/slide.js is missing" in page.text("#message")
    # The browser says so, too.
    assert all("ERR_FILE_NOT_FOUND" in problem for problem in page.problems)
    page.problems.clear()


# --- the cohort -----------------------------------------------------------------------------------


def test_every_cell_of_the_table_is_that_of_the_cohort(made: Cohort, page: Any) -> None:
    rows = page.page.evaluate("atlas.cohort.rows()")
    table = made.table
    assert [row["slide"] for row in rows] == table["slide"].tolist()
    for name in table:
        for row, value in zip(rows, table[name].tolist(), strict=True):
            assert row[name] is None if pd.isna(value) else row[name] == value
    names = ["slide", "status", "n_clusters", "hti_observed", "reason"]
    page.set(columns=json.dumps(names))
    shown = page.page.evaluate(
        """names => [...document.querySelectorAll('.tabulator-row')].map(row => names.map(
        name => row.querySelector(`[tabulator-field="${name}"]`).textContent))""",
        names,
    )
    assert shown == [
        ["" if pd.isna(v) else as_shown(v) for v in row] for row in rows_of(made, names)
    ]


def rows_of(made: Cohort, names: list[str]) -> list[list[Any]]:
    return made.table[names].astype(object).to_numpy().tolist()


def as_shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def test_filters_meet_what_pandas_meets(made: Cohort, page: Any) -> None:
    table = made.table
    n, hti = table["n_clusters"].fillna(-1), table["hti_observed"]
    for filters, wanted in (
        ({"n_clusters": "> 2"}, n > 2),
        ({"n_clusters": "<=2", "hti_observed": ">0.5"}, (n <= 2) & (n >= 0) & (hti > 0.5)),
        ({"n_clusters": "2 - 3"}, n.between(2, 3)),
        ({"n_clusters": "2"}, n == 2),
        ({"slide": "_1"}, table["slide"].str.contains("_1")),
        ({"reason": "TOO COARSE"}, table["slide"] == "bad"),
        ({"n_clusters": "many"}, n == -2),
    ):
        page.set(filters=json.dumps(filters))
        assert page.shown() == table["slide"][wanted].tolist()


def test_a_filter_typed_into_the_heading_is_in_the_address(page: Any) -> None:
    heading = page.page.locator('.tabulator-col[tabulator-field="n_clusters"] input')
    heading.press_sequentially("> 3")
    page.page.wait_for_function("() => atlas.state.get('filters').includes('3')")
    assert json.loads(page.state("filters")) == {"n_clusters": "> 3"}
    assert page.text("#count") == "4 of 13 slides"
    page.page.click("#clear")
    assert len(page.shown()) == 13


def test_a_click_on_a_heading_sorts_and_missing_values_come_last(made: Cohort, page: Any) -> None:
    page.page.click('.tabulator-col[tabulator-field="hti_observed"] .tabulator-col-title')
    assert page.shown() == made.table.sort_values("hti_observed")["slide"].tolist()
    page.page.click('.tabulator-col[tabulator-field="hti_observed"] .tabulator-col-title')
    ordered = made.table.sort_values("hti_observed", ascending=False, na_position="last")
    assert page.shown() == ordered["slide"].tolist()
    assert json.loads(page.state("sort")) == [["hti_observed", "desc"]]


def test_what_is_shown_can_be_downloaded(page: Any, tmp_path: Path) -> None:
    page.set(filters=json.dumps({"n_clusters": "3"}), columns=json.dumps(["slide", "n_clusters"]))
    with page.page.expect_download() as download:
        page.page.click("#download")
    download.value.save_as(tmp_path / "slides.tsv")
    table = pd.read_csv(tmp_path / "slides.tsv", sep="\t")
    assert table.to_dict("list") == {"slide": ["slide_02", "slide_07"], "n_clusters": [3, 3]}


def test_a_lasso_chooses_the_slides_inside(made: Cohort, page: Any) -> None:
    box = page.page.locator("#scatter .nsewdrag").bounding_box()
    left, top, width, height = (box[name] for name in ("x", "y", "width", "height"))
    corners = [(0.02, 0.02), (0.45, 0.02), (0.45, 0.98), (0.02, 0.98), (0.02, 0.03)]
    x_limit = page.page.evaluate(
        """share => { const axis = document.getElementById('scatter')._fullLayout.xaxis;
        return axis.range[0] + share * (axis.range[1] - axis.range[0]); }""",
        0.45,
    )
    page.page.mouse.move(left + corners[0][0] * width, top + corners[0][1] * height)
    page.page.mouse.down()
    for x, y in corners[1:]:
        page.page.mouse.move(left + x * width, top + y * height, steps=4)
    page.page.mouse.up()
    page.page.wait_for_function("() => atlas.state.get('brush') !== ''")
    inside = made.table["n_clusters"].fillna(99) < x_limit
    assert page.state("brush").split(",") == made.table["slide"][inside].tolist()
    assert page.shown() == made.table["slide"][inside].tolist()


def test_a_view_is_a_link(made: Cohort, page: Any, visit: Visit) -> None:
    chosen = {
        "slide": SLIDE,
        "layer": "stability",
        "opacity": "0.35",
        "x": "hta",
        "y": "n_tiles",
        "figure": "forest",
        "brush": "slide_03,slide_04,slide_05",
        "filters": json.dumps({"n_clusters": ">1"}),
        "sort": json.dumps([["n_clusters", "desc"]]),
    }
    page.set(**chosen)
    anchor = page.page.evaluate("location.hash")
    other = visit(made.atlas / "index.html", anchor)
    assert {name: other.state(name) for name in chosen} == chosen
    assert other.shown() == page.shown()
    assert other.shown() == ["slide_04", "slide_03"]
    assert other.text("#slide-name") == SLIDE
    assert other.page.input_value("#layer") == "stability"
    assert other.page.input_value("#x") == "hta"


def test_an_address_of_nonsense_opens_the_cohort(made: Cohort, visit: Visit) -> None:
    page = visit(made.atlas / "index.html", "#filters={&sort=[&columns=x&x=no&slide=no&only=a&y=%")
    assert len(page.shown()) == 13
    assert "No slide no" in page.text("#message")


# --- survival -------------------------------------------------------------------------------------


def curves(page: Any) -> dict[str, dict[str, Any]]:
    """Curves with a name, by the first word of it."""
    traces = page.page.evaluate(
        "document.getElementById('survival').data.filter(one => one.name)"
        ".map(one => ({name: one.name, x: [...one.x], y: [...one.y]}))"
    )
    return {one["name"].split()[0]: one for one in traces}


def test_curves_are_the_published_ones(made: Cohort, page: Any) -> None:
    table = made.analysis().curves
    found = curves(page)
    assert set(found) == {"low", "high"}
    for group, own in table.groupby("group"):
        assert found[group]["x"] == own["time"].tolist()
        assert found[group]["y"] == own["survival"].tolist()
    estimates = made.analysis().estimates
    p = estimates.loc[estimates["model"] == "log-rank", "p"].item()
    assert f"Log-rank p = {p:.4g}" in page.text("#survival-note")


def test_numbers_at_risk_are_those_of_the_patients(made: Cohort, page: Any) -> None:
    patients = made.analysis().patients
    patients = patients[patients["analysed"]]
    notes = page.page.evaluate(
        """document.getElementById('survival').layout.annotations
        .map(one => [one.font.color, one.x, one.text])"""
    )
    colours = page.page.evaluate("atlas.cohort.data.palette.groups")
    for group, own in patients.groupby("group"):
        shown = {month: int(n) for colour, month, n in notes if colour == colours[group]}
        assert len(shown) > 3
        assert shown == {month: int((own["OS_months"] >= month).sum()) for month in shown}


def test_curves_of_a_brushed_group_are_those_of_lifelines(made: Cohort, page: Any) -> None:
    """Two slides of one patient are one patient, and the refused one is none."""
    brush = ["slide_00", "slide_01", "slide_02", "slide_05", "slide_08", "slide_09", "bad"]
    page.set(brush=",".join(brush))
    found = curves(page)
    assert set(found) == {"low", "high", "chosen:", "others:"}
    patients = made.analysis().patients.set_index("patient")
    table = made.table.set_index("slide")
    chosen = set(table.loc[brush, "patient"])
    for name, inside in (("chosen:", True), ("others:", False)):
        own = patients[patients.index.isin(chosen) == inside]
        own = own[own["analysed"]]
        fitted = KaplanMeierFitter().fit(own["OS_months"], own["OS_event"].astype(int))
        wanted = fitted.survival_function_.iloc[:, 0]
        assert found[name]["x"] == wanted.index.tolist()
        np.testing.assert_allclose(found[name]["y"], wanted, atol=1e-9)
        assert f"explored (n = {len(own)}" in found[name]["name"]
    note = page.text("#survival-note")
    assert "explored after seeing the outcome" in note
    # The one p-value there is remains that of the published groups.
    assert note.count("p = ") == 1


def test_hazard_ratios_are_the_estimated_ones(made: Cohort, page: Any) -> None:
    page.set(figure="forest")
    estimates = made.analysis().estimates.dropna(subset="hazard_ratio")
    assert len(estimates) > 2
    assert page.text("#survival-note") == ""
    shown = page.page.evaluate("[...document.getElementById('survival').data[0].x]")
    assert shown == estimates["hazard_ratio"].tolist()[::-1]


def test_without_hazard_ratios_it_says_why(made: Cohort, visit: Visit, tmp_path: Path) -> None:
    cohort = Cohort(tmp_path)
    cohort.rows, cohort.clusters = made.rows, made.clusters
    cohort.atlas.mkdir()
    (cohort.atlas / "slides").symlink_to(made.atlas / "slides")
    analysis = made.analysis()
    none = analysis.estimates.assign(hazard_ratio=np.nan, reason="3 events are too few")
    page = visit(cohort.write_cohort(replace(analysis, estimates=none)), "#figure=forest")
    wanted = "No hazard ratio was estimated: 3 events are too few."
    assert page.text("#survival-note") == wanted


# --- a slide --------------------------------------------------------------------------------------


def level0_of_pixel(page: Any, x: float, y: float) -> tuple[float, float]:
    """Where a pixel of the page is on the slide, by OpenSeadragon."""
    point = page.page.evaluate(
        """([x, y]) => { const box = document.getElementById('viewer').getBoundingClientRect();
        const point = atlas.slide.viewer.viewport.pointFromPixel(
            new OpenSeadragon.Point(x - box.left, y - box.top), true);
        return [point.x, point.y]; }""",
        [x, y],
    )
    return point[0], point[1]


def tile_at(made: Cohort, slide: str, x: float, y: float) -> int:
    """Row of the tile file at a point, -1 without: tried one by one."""
    tiles = read_tiles(made.file("tiles", slide))
    inside = [
        row
        for row, (left, top) in enumerate(tiles.coords.tolist())
        if left <= x < left + tiles.side_px and top <= y < top + tiles.side_px
    ]
    return inside[-1] if inside else -1


@pytest.mark.parametrize("zoom", [1, 2.3, 7])
def test_the_tile_under_the_pointer_is_the_row_of_the_file(
    made: Cohort, page: Any, zoom: float
) -> None:
    page.set(slide=SLIDE)
    page.page.evaluate(
        "zoom => { atlas.slide.viewer.viewport.zoomBy(zoom); "
        "atlas.slide.viewer.viewport.applyConstraints(true); }",
        zoom,
    )
    page.page.wait_for_timeout(600)
    width = read_tiles(made.file("tiles", SLIDE)).attributes["level0_width"]
    box = page.page.locator("#viewer").bounding_box()
    rng = np.random.default_rng(int(10 * zoom))
    found, wanted = [], []
    for across, down in rng.random((50, 2)).tolist():
        x = round(box["x"] + 2 + across * (box["width"] - 4))
        y = round(box["y"] + 2 + down * (box["height"] - 4))
        page.page.mouse.move(x, y)
        share_x, share_y = level0_of_pixel(page, x, y)
        wanted.append(tile_at(made, SLIDE, share_x * width, share_y * width))
        found.append(int(page.page.get_attribute("#hover", "data-tile") or -1))
    assert found == wanted
    assert len(set(found) - {-1}) > (8 if zoom < 7 else 1)


def test_the_pointer_tells_what_the_files_say(made: Cohort, page: Any) -> None:
    page.set(slide=SLIDE)
    tiles = read_tiles(made.file("tiles", SLIDE))
    clustered = read_clusters(made.file("clusters", SLIDE))
    coverage = read_column(made.file("coverage", SLIDE), "coverage")[0]
    attention = read_column(made.file("tumour", SLIDE), "tumour_score")[0]
    for row in (0, 17, int(clustered.tile_index[20]), len(tiles.coords) - 1):
        told = dict(
            page.page.evaluate(
                """([x, y, side, width]) => {
                const { viewport } = atlas.slide.viewer;
                const box = document.getElementById('viewer').getBoundingClientRect();
                const at = viewport.pixelFromPoint(new OpenSeadragon.Point(
                    (x + side / 2) / width, (y + side / 2) / width), true);
                return [box.left + at.x, box.top + at.y].map(String).map((v, i) => [i, Number(v)]);
                }""",
                [*tiles.coords[row].tolist(), tiles.side_px, int(tiles.attributes["level0_width"])],
            )
        )
        page.page.mouse.move(told[0], told[1])
        cells = dict(
            page.page.evaluate(
                "[...document.querySelectorAll('#hover tr')].map("
                "row => [...row.children].map(cell => cell.textContent))"
            )
        )
        assert cells["Tile"] == str(row)
        x_mm, y_mm = tiles.coords[row] * tiles.mpp / 1000
        assert cells["x, y (mm)"] == f"{x_mm:.2f}, {y_mm:.2f}"
        # To 1 in 65,534 of the span, of which 4 digits are shown.
        for name, values in (
            ("Epithelium (share of the tile)", coverage),
            ("Tumour score (attention)", attention),
        ):
            assert float(cells[name]) == pytest.approx(float(values[row]), abs=1e-4)
        place = np.flatnonzero(clustered.tile_index == row)
        if len(place):
            label = int(clustered.clustering.labels[place[0]])
            assert cells["Clusters"] == ("outliers" if label < 0 else str(label + 1))
        else:
            assert cells["Clusters"] == "–"


def pixels_at(page: Any, made: Cohort, slide: str, rows: list[int]) -> list[tuple[int, int, int]]:
    """Colours of the middle of tiles, of a screenshot: canvases from disk cannot be read."""
    tiles = read_tiles(made.file("tiles", slide))
    page.page.mouse.move(5, 5)
    picture = Image.open(io.BytesIO(page.page.screenshot())).convert("RGB")
    middles = (tiles.coords[rows] + tiles.side_px / 2) / tiles.attributes["level0_width"]
    places = page.page.evaluate(
        """middles => { const box = document.getElementById('viewer').getBoundingClientRect();
        const { viewport } = atlas.slide.viewer;
        return middles.map(([x, y]) => {
            const at = viewport.pixelFromPoint(new OpenSeadragon.Point(x, y), true);
            return [box.left + at.x, box.top + at.y]; }); }""",
        middles.tolist(),
    )
    return [picture.getpixel((int(x), int(y))) for x, y in places]


def test_colours_of_pixels_are_those_of_the_palette(made: Cohort, page: Any) -> None:
    page.set(slide=SLIDE, opacity="1")
    clustered = read_clusters(made.file("clusters", SLIDE))
    rows, found = clustered.tile_index.tolist(), clustered.clustering
    for layer, labels in (("labels", found.labels), ("raw", found.raw), ("start", found.start)):
        page.set(layer=layer)
        shown = pixels_at(page, made, SLIDE, rows)
        assert shown == [cluster_rgb(label) for label in labels.tolist()]
    # What is not counted as tumour is grey; the fifth cluster is not.
    page.set(layer="tumour")
    shown = pixels_at(page, made, SLIDE, rows)
    grey = rgb(NEUTRAL)
    assert shown == [grey if n == 4 else cluster_rgb(n) for n in found.labels.tolist()]


def test_an_isolated_cluster_stands_alone_with_its_tiles(made: Cohort, page: Any) -> None:
    page.set(slide=SLIDE, opacity="1")
    page.page.click("#legend .kind:nth-of-type(2)")
    assert page.state("only") == "1"
    clustered = read_clusters(made.file("clusters", SLIDE))
    shown = pixels_at(page, made, SLIDE, clustered.tile_index.tolist())
    is_second = [colour == cluster_rgb(1) for colour in shown]
    assert is_second == (clustered.clustering.labels == 1).tolist()
    assert page.page.locator("#exemplars figure").count() == 1
    assert "Typical of 2" in page.text("#exemplars")
    page.page.click("#legend .kind:nth-of-type(3)", modifiers=["Shift"])
    assert page.state("only") == "1,2"
    page.page.click("#legend .kind:nth-of-type(3)")
    assert page.state("only") == "2"


def test_the_legend_counts_as_the_table_of_clusters(made: Cohort, page: Any) -> None:
    for slide in ("slide_00", SLIDE, "slide_08"):
        page.set(slide=slide)
        counts = page.page.evaluate(
            "[...document.querySelectorAll('#legend .kind')].map(one => Number(one.dataset.n))"
        )
        wanted = [one["n_tiles"] for one in made.clusters if one["slide"] == slide]
        assert counts == [*wanted, 1]


def test_keys_go_through_the_slides_of_the_table(page: Any) -> None:
    page.set(slide="slide_02", sort=json.dumps([["slide", "desc"]]), filters='{"slide":"slide_0"}')
    page.page.keyboard.press("j")
    assert page.state("slide") == "slide_01"
    for _ in range(2):
        page.page.keyboard.press("k")
    assert page.state("slide") == "slide_03"
    # In a field they are letters.
    page.page.click('.tabulator-col[tabulator-field="slide"] input')
    page.page.keyboard.press("j")
    assert page.state("slide") == "slide_03"


def test_slides_without_something_say_so(made: Cohort, page: Any) -> None:
    page.set(slide="bad")
    assert page.text("#message") == f"refused: {made.table['reason'].iloc[-1]}"
    page.set(slide="slide_06")
    options = page.page.locator("#layer option").all_inner_texts()
    assert "Tumour clusters" not in options
    assert "Clusters" in options
    page.set(slide="slide_07")
    assert "no typical tiles" in page.text("#notes")


def test_a_click_on_a_row_opens_its_slide(page: Any) -> None:
    page.page.click(".tabulator-cell[tabulator-field='status'] >> nth=3")
    page.settle()
    assert page.state("slide") == page.text("#slide-name") == "slide_03"
    assert page.page.locator(".tabulator-row.open").count() == 1


def test_slides_of_a_patient_lead_to_each_other(page: Any) -> None:
    page.set(slide="slide_02")
    page.page.click("#others button")
    assert page.state("slide") == "slide_03"


# --- other cohorts --------------------------------------------------------------------------------


def test_hostile_text_stays_text(made: Cohort, page: Any) -> None:
    column = "main: stage"
    page.set(columns=json.dumps(["slide", column]))
    cells = page.page.evaluate(
        "name => [...document.querySelectorAll(`.tabulator-cell[tabulator-field='${name}']`)]"
        ".map(one => one.textContent)",
        column,
    )
    assert cells.count(HOSTILE) == 2
    assert page.page.locator("#table img").count() == 0


@pytest.mark.parametrize("n_slides", [0, 1])
def test_small_cohorts_without_clinical_tables(tmp_path: Path, visit: Visit, n_slides: int) -> None:
    cohort = Cohort(tmp_path)
    if n_slides:
        cohort.add("only", columns=1, rows=1, n_clusters=1, attention=False)
    cohort.write_slides()
    page = visit(cohort.write_cohort())
    assert len(page.shown()) == n_slides
    assert not page.page.is_visible("#survival-view")
    page.page.keyboard.press("j")
    page.settle()
    # The first slide that has a result is open.
    assert page.state("slide") == ("only" if n_slides else "")
    if n_slides:
        assert "1: 1 (100 %)" in page.text("#legend")


def test_columns_decide_what_is_known_of_a_brushed_group(
    made: Cohort, visit: Visit, tmp_path: Path
) -> None:
    cohort = Cohort(tmp_path)
    cohort.rows, cohort.clusters = made.rows, made.clusters
    cohort.atlas.mkdir()
    (cohort.atlas / "slides").symlink_to(made.atlas / "slides")
    home = cohort.write_cohort(made.analysis(), columns=["n_clusters", "main: group"])
    page = visit(home, "#brush=slide_01,slide_02")
    assert set(page.page.evaluate("atlas.cohort.columns().map(one => one.name)")) == {
        *("slide", "status", "n_clusters", "main: group")
    }
    assert set(curves(page)) == {"low", "high"}
    assert "not in this atlas" in page.text("#survival-note")


def test_cores_of_an_array_stand_in_their_places(visit: Visit, tmp_path: Path) -> None:
    cohort = Cohort(tmp_path)
    for name in ("A-1", "A-2", "B-1"):
        cohort.add(name, columns=3, rows=3, n_clusters=1)
    cohort.write_slides()
    places = {"region_x": [0, 500, 0], "region_y": [0, 0, 200]}
    size = {"width": 100, "height": 100, "file_width": 1000, "file_height": 500}
    slides = {"slide": ["A-1", "A-2", "B-1"], "path": "array.svs"}
    home = cohort.write_cohort(preflight=pd.DataFrame({**slides, **places, **size}))
    page = visit(home, "#slide=A-1")
    box = page.page.locator("#array .cores").bounding_box()
    core = page.page.locator("#array .core[title='A-2']").bounding_box()
    assert (core["x"] - box["x"]) / box["width"] == pytest.approx(0.5, abs=0.01)
    assert core["width"] / box["width"] == pytest.approx(0.1, abs=0.01)
    page.page.click("#array .core[title='B-1']")
    assert page.state("slide") == "B-1"


def test_scans_of_the_patient_open_over_the_page(visit: Visit, tmp_path: Path) -> None:
    cohort = Cohort(tmp_path)
    cohort.add("a", columns=3, rows=3, n_clusters=1)
    picture = tmp_path / "ct.png"
    Image.new("RGB", (400, 100), (10, 200, 30)).save(picture)
    cohort.write_slides(scans={"ct_1": picture, "ct_2": picture})
    page = visit(cohort.write_cohort())
    assert page.page.locator("#scans button").all_inner_texts() == ["ct_1", "ct_2"]
    page.page.click("#scans button:has-text('ct_2')")
    page.page.wait_for_function("() => document.querySelector('#scan img').naturalWidth === 400")
    assert page.text("#scan strong") == "ct_2"
    assert any(request.endswith("/a/scan_ct_2.webp") for request in page.requests)
    page.page.click("#scan button")
    assert not page.page.locator("#scan").is_visible()


def test_a_slide_that_was_asked_for_can_be_zoomed_into(visit: Visit, tmp_path: Path) -> None:
    cohort = Cohort(tmp_path)
    cohort.add("a", columns=8, rows=6)
    cohort.write_slides()
    folder = cohort.atlas / "pyramids/a"
    folder.mkdir(parents=True)
    found = write_pyramid(folder, cohort.file("slide", "a"), None, MPP, MPP)
    (folder / "pyramid.js").write_text(call_text("pyramid a", found))
    page = visit(cohort.write_cohort(zoomed=["a"]), "#opacity=1")
    page.page.wait_for_load_state("networkidle")
    assert any("pyramids/a/pyramid_files/" in request for request in page.requests)
    clustered = read_clusters(cohort.file("clusters", "a"))
    shown = pixels_at(page, cohort, "a", clustered.tile_index.tolist())
    assert shown == [cluster_rgb(label) for label in clustered.clustering.labels.tolist()]


# --- the picture of the documentation -------------------------------------------------------------


def test_a_picture_of_the_demo(visit: Visit) -> None:
    """Of ``results/atlas``, where `make demo` has made it, to the JPEG named by ATLAS_PICTURE."""
    home = Path("results/atlas/index.html").resolve()
    if not home.exists():
        pytest.skip("make demo makes the atlas that the picture shows")
    page = visit(home)
    page.page.wait_for_load_state("networkidle")
    picture = page.page.screenshot(type="jpeg", quality=85)
    assert page.page.locator("#legend .kind").count() > 1
    assert page.page.locator("#exemplars img").count() > 1
    if target := os.environ.get("ATLAS_PICTURE"):
        Path(target).write_bytes(picture)
