"""The atlas of a large cohort: time and size to write, time and memory in the browser.

Slides are made, ten of them, and written under as many ids as are asked for: what differs between
slides costs the page nothing. Time to write is that of one process, without the start of a job.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import which
from typing import Any

import pandas as pd
import psutil
from playwright.sync_api import Page, sync_playwright

from bench.running import circumstances
from helpers import ROOT
from helpers.atlases import FOLDER, Cohort
from histohet.atlas.cohort import cohort_data
from histohet.atlas.data import call_text
from histohet.atlas.slide import SlideFiles, copy_picture, make_page, write_page
from histohet.atlas.static import copy_pages

MADE = 10
SWITCHES = 100
SETTLE_MS = 2000
Json = dict[str, Any]


def made_cohort(folder: Path, side: int) -> Cohort:
    """Make slides of side x side tiles."""
    cohort = Cohort(folder)
    for number in range(MADE):
        cohort.add(f"made_{number}", columns=side, rows=side, n_clusters=6, pixels=False)
    return cohort


def write_slides(cohort: Cohort, slides: list[str]) -> Json:
    """Write the pages of slides with linked pictures; CPU seconds and bytes of each."""
    used = 0.0
    for number, slide in enumerate(slides):
        made = f"made_{number % MADE}"
        kinds = ("clusters", "coverage", "tiles", "record", "tumour")
        files = SlideFiles(**{kind: str(cohort.file(kind, made)) for kind in kinds})
        folder = cohort.atlas / "slides" / FOLDER / slide
        folder.mkdir(parents=True)
        start = time.process_time()
        page = make_page(slide, files, (), 0, folder)
        thumbnails = "../" * 6 + "thumbnail"
        write_page(folder, f"{FOLDER}/{slide}", page, f"{thumbnails}/{made}.png")
        used += time.process_time() - start
    size = sum(file.stat().st_size for file in cohort.atlas.rglob("slide.js"))
    return {"cpu_seconds_per_slide": used / len(slides), "bytes_per_slide": size / len(slides)}


def picture_costs(cohort: Cohort, folder: Path) -> Json:
    """CPU seconds and bytes of a copied picture."""
    start = time.process_time()
    name = copy_picture(cohort.file("thumbnail", "made_0"), folder)
    seconds = time.process_time() - start
    return {"cpu_seconds": seconds, "bytes": (folder / name).stat().st_size}


def write_cohort(cohort: Cohort, slides: list[str]) -> float:
    """Write the data of the cohort and the page; return CPU seconds."""
    tables = cohort.tables
    rows = tables.slides.iloc[[n % MADE for n in range(len(slides))]].assign(slide=slides)
    rows["patient"] = [f"patient_{n}" for n in range(len(slides))]
    rows = rows.assign(**{f"score_{n}": rows["hti_observed"] * n for n in range(16)})
    by_slide = dict(iter(tables.clusters.groupby("slide")))
    clusters = pd.concat(
        [by_slide[f"made_{n % MADE}"].assign(slide=slide) for n, slide in enumerate(slides)]
    )
    start = time.process_time()
    regions = pd.DataFrame(columns=["path", "file_width"])
    variant = replace(tables, slides=rows, clusters=clusters)
    data = cohort_data([variant], regions, None, [])
    (cohort.atlas / "cohort.js").write_text(call_text("cohort", data))
    copy_pages(cohort.atlas / "index.html", cohort.atlas / "static")
    return time.process_time() - start


def timed(action: Callable[[], Any]) -> float:
    """Wall seconds of an action."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def in_browser(home: Path, slides: list[str], chromium: str) -> Json:
    """Open the page, sort, switch between slides; seconds, and memory at the end."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        before, empty = browser_cost()
        ready = timed(lambda: open_page(page, home))
        opened, _ = browser_cost()
        before_sort = browser_cost()[0]
        sort = page.evaluate(
            """() => { const start = performance.now();
            atlas.state.set({sort: JSON.stringify([["hti_observed", "desc"]])});
            return (performance.now() - start) / 1000; }"""
        )
        sorted_, _ = browser_cost()
        switches = [timed(lambda one=slide: switch(page, one)) for slide in slides[:SWITCHES]]
        switched, waste = browser_cost()
        metrics = page.context.new_cdp_session(page)
        metrics.send("Performance.enable")
        metrics.send("HeapProfiler.collectGarbage")
        page.wait_for_timeout(SETTLE_MS)
        _, full = browser_cost()
        # Browsers keep decoded pictures as long as nobody else wants the memory.
        metrics.send("Memory.simulatePressureNotification", {"level": "critical"})
        page.wait_for_timeout(SETTLE_MS)
        _, needed = browser_cost()
        found = metrics.send("Performance.getMetrics")["metrics"]
        heap = next(one["value"] for one in found if one["name"] == "JSHeapUsedSize")
        browser.close()
    median = sorted(switches)[len(switches) // 2]
    return {
        "ready_seconds": ready,
        "ready_cpu_seconds": opened - before,
        "sort_seconds": sort,
        "sort_cpu_seconds": sorted_ - before_sort,
        "switch_seconds": {"median": median, "most": max(switches)},
        "switch_cpu_seconds": (switched - sorted_) / len(switches),
        "heap_mb_after_switches": heap / 1e6,
        "empty_page_mb": empty / 1e6,
        "page_mb_after_switches": full / 1e6,
        "page_mb_before_collection": waste / 1e6,
        "page_mb_under_pressure": needed / 1e6,
    }


def browser_cost() -> tuple[float, int]:
    """CPU seconds of all processes of the browser; private bytes of the one that shows a page."""
    children = psutil.Process().children(recursive=True)
    seconds = sum(sum(child.cpu_times()[:2]) for child in children)
    shown = [child for child in children if "--type=renderer" in child.cmdline()]
    return seconds, max(child.memory_full_info().uss for child in shown)


def open_page(page: Page, home: Path) -> None:
    page.goto(home.as_uri())
    page.wait_for_function("() => document.title === 'Atlas: ready'")


def switch(page: Page, slide: str) -> None:
    page.evaluate("slide => atlas.state.set({slide})", slide)
    page.wait_for_function(
        "slide => document.getElementById('viewer').dataset.open === slide", arg=slide
    )


def main() -> None:
    """Write an atlas and open it; keep what that took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slides", type=int, default=1000)
    parser.add_argument("--side", type=int, default=71, help="tiles of a slide: side x side")
    parser.add_argument("--out", type=Path, default=ROOT / "results/bench/atlas.json")
    arguments = parser.parse_args()
    chromium = which("chromium")
    if chromium is None:
        raise SystemExit("there is no Chromium: install Debian's package chromium")
    slides = [f"slide_{number:05}" for number in range(arguments.slides)]
    with tempfile.TemporaryDirectory() as name:
        cohort = made_cohort(Path(name), arguments.side)
        result = {
            "slides": len(slides),
            "tiles_per_slide": arguments.side**2,
            "write": write_slides(cohort, slides),
            "picture": picture_costs(cohort, Path(name)),
            "cohort_cpu_seconds": write_cohort(cohort, slides),
        }
        files = [file for file in cohort.atlas.rglob("*") if file.is_file()]
        result["mb"] = sum(file.stat().st_size for file in files) / 1e6
        result["browser"] = in_browser(cohort.atlas / "index.html", slides, chromium)
    result["circumstances"] = circumstances(arguments)
    text = json.dumps(result, indent=1)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(text + "\n")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
