"""The figure of a section with the maps of traits and the counts of their genes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.colors import to_hex

from helpers.figures import texts
from helpers.lattices import lattice
from helpers.tiletables import tile_table
from histohet.agreement.counts import GeneCounts, MeasuredSpots, normalised
from histohet.agreement.gene_figures import GeneSection, draw_genes
from histohet.agreement.genes import ScoreMap, agree_with_genes
from histohet.common.provenance import Provenance
from histohet.drawing.style import save_figure

VIRIDIS = matplotlib.colormaps["viridis"]


def section() -> GeneSection:
    """Tiles whose score grows to the right, and a gene that does so too; another is rare."""
    tiles = tile_table(lattice(20, 14, 224), 0.5, (4500, 3200))
    centres = lattice(9, 6, 450) + 300.0
    totals = np.full(len(centres), 10_000) + np.arange(len(centres)) % 7
    grows = (centres[:, 0] / 10).astype(np.int64)
    counts = np.stack([grows, (grows > 300).astype(np.int64)], axis=1)
    names = np.array([f"s{number}" for number in range(len(centres))])
    spots = MeasuredSpots(
        centres, GeneCounts(names, ("ERBB2", "MKI67"), counts, totals), len(centres), 0, 0
    )
    scores = np.stack([tiles.coords[:, 0], tiles.coords[:, 1]], axis=1).astype(np.float32)
    maps = ScoreMap(tiles.coords, tiles.side_px, scores, ("her2", "growth"))
    found = agree_with_genes(maps, spots, {"her2": "ERBB2", "growth": "MKI67"}, 1, 19)
    return GeneSection("s", np.full((320, 450, 3), 230, np.uint8), tiles, maps, spots, found)


def test_measured_and_predicted_maps_stand_side_by_side_with_their_numbers(tmp_path: Path) -> None:
    data = section()
    first, second = data.agreements
    figure = draw_genes(data)
    measured, predicted, scatter = figure.axes[:3]
    faces = [to_hex(face) for face in measured.collections[0].get_facecolor()]
    values = normalised(data.spots.counts.of("ERBB2"), data.spots.counts.totals)
    low, high = ("#{:02x}{:02x}{:02x}".format(*VIRIDIS(end, bytes=True)) for end in (0.0, 1.0))
    assert (faces[int(values.argmin())], faces[int(values.argmax())]) == (low, high)
    pixels = predicted.images[0].get_array().astype(int)
    middle = pixels.shape[0] // 2
    dark, light = pixels[middle, 20], pixels[middle, 380]
    assert (dark[2] > dark[1], light[1] > light[2]) == (True, True)
    np.testing.assert_allclose(scatter.collections[0].get_offsets()[:, 1], values)
    words = texts(figure)
    assert f"ρ {first.rho:.2f}, given depth {first.rho_given_depth:.2f}" in words
    assert f"p = {first.p:.3g}" in words
    assert f"AUC {second.auc:.2f}, of depth alone {second.auc_depth:.2f}" in words
    assert "Not assessed: detected in" in words
    paths = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for path in paths:
        save_figure(draw_genes(data), [path], Provenance())
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_what_cannot_be_drawn_says_why() -> None:
    data = section()
    spots = replace(data.spots, centres=data.spots.centres + 1e6)
    found = agree_with_genes(data.scores, spots, {"her2": "ERBB2"}, 1, 19)
    words = texts(draw_genes(replace(data, spots=spots, agreements=found)))
    assert "ERBB2: 0 of 54 spots with counts lie on" in words
