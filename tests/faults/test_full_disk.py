"""Disks that take no more: full, read-only."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.cohorts import Cohort
from helpers.faults import Undisturbed, Watch, new_cohort, results_of

logger = logging.getLogger("faults")

TARGET = "results/qupath/full/whole.geojson"

WRITERS = {
    "text": "write_text(path, 'x' * 100_000)",
    "table": "write_tsv(path, pd.DataFrame({'x': range(50_000)}), Provenance())",
    "column": "write_column(path, 'x', np.zeros(50_000, np.float32), OK, Provenance())",
    "features": """
tiles = TileTable(np.zeros((9000, 2), np.int64), {'name': 's'}, OK)
rows = np.arange(9000)
with feature_file(path, tiles, rows, 64, 'e', Provenance()) as file:
    for batch in np.split(np.ones((9000, 64), np.float32), 90):
        file.append(batch)
""",
    "rows": """
with partial_features(path, {}) as rows:
    for _ in range(90):
        rows.append(np.ones(100, bool), np.ones((100, 64), np.float32))
""",
    "labels": "write_labels(path, noise, OK, Provenance())",
    "png": "save_picture(path, np.stack([noise] * 3, 2), Provenance())",
    "jpg": "save_picture(path, np.stack([noise] * 3, 2), Provenance())",
    "svg": """
figure = Figure()
figure.add_subplot().plot(np.random.default_rng(0).random(5000))
save_figure(figure, [path], Provenance())
""",
}
SUFFIX = {"labels": "tif", "png": "png", "jpg": "jpg", "svg": "svg"}
PROGRAM = """
import resource, sys
from pathlib import Path
import numpy as np, pandas as pd
from matplotlib.figure import Figure
from histohet.drawing.style import save_figure
from histohet.slides.thumbnail import save_picture
from histohet.epithelium.segmentation import write_labels
from histohet.common.files import write_text
from histohet.features.file import feature_file
from histohet.tiles.file import TileTable, write_column
from histohet.features.partial import partial_features
from histohet.common.tables import write_tsv
from histohet.common.logs import log_to
from histohet.common.outcome import OK
from histohet.common.provenance import Provenance

path = Path(sys.argv[1])
noise = np.random.default_rng(0).integers(0, 255, (400, 400), np.uint8)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
with log_to(path.parent / "log" / "slide_7.log"):
"""


@pytest.mark.parametrize("writer", WRITERS)
def test_every_writer_names_the_file_and_leaves_nothing(tmp_path: Path, writer: str) -> None:
    """The limit on the size of a file stands in for a full disk."""
    path = tmp_path / f"a.{SUFFIX.get(writer, 'x')}"
    lines = WRITERS[writer].strip().splitlines()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + "".join(f"    {line}\n" for line in lines), str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    message = f"{path} cannot be written: File too large"
    assert done.returncode != 0
    assert done.stderr.count(message) == 1, done.stderr
    assert message in (tmp_path / "log/slide_7.log").read_text()
    left = {found.name for found in tmp_path.iterdir()}
    # Of embeddings on their way, those that are done stay.
    assert left <= {"log", f".partial-{path.name}.part"}


@pytest.fixture
def small_disk(undisturbed: Undisturbed, tmp_path: Path) -> Iterator[Cohort]:
    """The cohort with its results on a disk of their own, too small for them."""
    cohort = new_cohort(tmp_path / "cohort", undisturbed.cohort.workflow, undisturbed.given)
    results = cohort.folder / "results"
    results.mkdir()
    if mount("-t", "tmpfs", "-o", "size=400k", "tmpfs", str(results)) != 0:
        pytest.skip("mounting is not allowed here")
    yield cohort
    subprocess.run(["umount", "--lazy", results], check=True)


def mount(*arguments: str) -> int:
    return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode


def test_a_full_disk_is_named_and_a_larger_one_is_enough(
    undisturbed: Undisturbed, small_disk: Cohort
) -> None:
    with Watch(small_disk.folder, undisturbed.digests) as watch:
        full = small_disk.snakemake("--cores", "2", TARGET)
    said = full.stdout + full.stderr
    assert full.returncode == 1
    assert re.search(r"results/\S+ cannot be written: No space left on device", said), said
    assert watch.damaged == []
    assert undisturbed.damaged(small_disk.folder) == []
    assert mount("-o", "remount,size=100m", str(small_disk.folder / "results")) == 0
    small_disk.run(TARGET)
    assert undisturbed.damaged(small_disk.folder) == []
    assert (small_disk.folder / TARGET).is_file()


def test_results_that_cannot_be_written_stay_as_they_are(
    undisturbed: Undisturbed, small_disk: Cohort
) -> None:
    results = str(small_disk.folder / "results")
    assert mount("-o", "remount,size=100m", results) == 0
    small_disk.run("results/tiles/whole.h5")
    before = set(results_of(small_disk.folder))
    assert mount("-o", "remount,ro", results) == 0
    refused = small_disk.snakemake("--cores", "2", TARGET)
    said = refused.stdout + refused.stderr
    logger.info("%s", said[-2000:])
    assert refused.returncode == 1
    assert "missing.json cannot be written: Read-only file system" in said
    assert set(results_of(small_disk.folder)) == before
    assert undisturbed.damaged(small_disk.folder) == []
    assert mount("-o", "remount,rw", results) == 0
    small_disk.run(TARGET)
    assert undisturbed.damaged(small_disk.folder) == []
