"""Pictures of trait maps, and figures of how well slides are told apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import compress
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from scipy.special import expit

from histohet.common.arrays import Bools, Floats, Ints
from histohet.common.qupath import TileObject
from histohet.drawing.palette import FAINT, NEUTRAL, Rgb, cluster_rgb, rgb
from histohet.drawing.panels import colour_bar, crop, faded, overlay, scale_bar, tile_squares
from histohet.drawing.style import message_figure, new_figure, style
from histohet.measures.traits import TraitMap
from histohet.slides.reader import Pixels
from histohet.tiles.file import TileTable
from histohet.traits.auc import placements
from histohet.traits.control_figures import boxes
from histohet.traits.labels import HIGH, LOW, MIDDLE, NEAR

PANEL_INCH, TALLEST_INCH = 3.0, 6.0
TITLE_INCH, BELOW_INCH, LEGEND_INCH = 0.5, 0.45, 0.2
COLOURS = "viridis"

MOST_LISTED = 15
"""Combinations in a legend, the largest first."""

NEGATIVE = "no trait"
SHOWN_LABELS = (LOW, NEAR, MIDDLE, HIGH)


def combination_colour(traits: int, n_traits: int) -> Rgb:
    """Return the colour of a combination: the mean of its traits', whichever others are there.

    Parameters
    ----------
    traits
        Its code: a binary digit per trait, the lowest that of the first.
    n_traits
        Number of traits.
    """
    chosen = [cluster_rgb(n) for n in range(n_traits) if traits >> n & 1]
    if not chosen:
        return rgb(NEUTRAL)
    red, green, blue = np.mean(chosen, axis=0).round().astype(int).tolist()
    return red, green, blue


def combination_codes(votes: Bools) -> Ints:
    """Return the code of the traits of every tile, see `combination_colour`; (N, T) to (N,)."""
    codes: Ints = votes.astype(np.int64) @ (1 << np.arange(votes.shape[1]))
    return codes


def combination_words(traits: int, names: Sequence[str]) -> str:
    """Return the name of a combination, such as ``A + B``."""
    chosen = compress(names, (traits >> n & 1 for n in range(len(names))))
    return " + ".join(chosen) or NEGATIVE


def tile_objects(found: TraitMap, tile_index: Ints, names: Sequence[str]) -> Iterator[TileObject]:
    """Yield the tiles for QuPath: class and colour by combination, probabilities by trait."""
    columns = [found.names.index(name) for name in names]
    codes = combination_codes(found.votes[:, columns]).tolist()
    scores = np.zeros(found.votes.shape) if found.logits is None else expit(found.logits)
    for row, (x, y) in enumerate(found.coords.tolist()):
        yield TileObject(
            index=int(tile_index[row]),
            x=x,
            y=y,
            class_name=combination_words(codes[row], names),
            colour=combination_colour(codes[row], len(names)),
            measurements={
                f"probability of {name}": round(float(scores[row, column]), 4)
                for column, name in zip(columns, names, strict=True)
            },
        )


def draw_trait_map(
    slide: str,
    thumbnail: Pixels,
    tiles: TileTable,
    found: TraitMap,
    names: Sequence[str],
    measures: Mapping[str, Any],
) -> Figure:
    """Draw the slide, the probability of each trait, and which tiles show which of them.

    Parameters
    ----------
    slide
        Title.
    thumbnail
        uint8 (H, W, 3), the whole slide.
    tiles
        The tiles that are mapped, at least one.
    found
        Their maps, with scores.
    names
        The combination.
    measures
        See `histohet.measures.traits.trait_measures`, of this combination alone.
    """
    columns = [found.names.index(name) for name in names]
    corner, picture, scale = crop(thumbnail, tiles, PANEL_INCH)
    backdrop, squares = faded(picture), tile_squares(tiles, scale, corner)
    codes = combination_codes(found.votes[:, columns])
    logits = np.zeros(found.votes.shape) if found.logits is None else found.logits
    panels = [("H&E", picture)]
    limits = []
    for column, name in zip(columns, names, strict=True):
        probability = expit(logits[:, column].astype(np.float64))
        low, high = np.percentile(probability, (1, 99))
        limits.append((float(low), float(max(high, low + 1e-3))))
        shades = _shades(probability, limits[-1])
        share = found.votes[:, column].mean()
        panels.append((f"{name}: {share:.0%} positive", overlay(backdrop, squares, shades)))
    painted = [combination_colour(code, len(names)) for code in codes.tolist()]
    panels.append((_heading(measures), overlay(backdrop, squares, painted)))
    height, width = picture.shape[:2]
    tall = min(PANEL_INCH * height / width, TALLEST_INCH)
    present = sorted(set(codes.tolist()), key=lambda code: -int((codes == code).sum()))
    with style():
        rows = -(-min(len(present), MOST_LISTED) // 3)
        below = BELOW_INCH + LEGEND_INCH * (rows + 1)
        figure = new_figure(len(panels) * PANEL_INCH, tall + TITLE_INCH + below)
        figure.suptitle(slide, x=0.01, ha="left", weight="bold")
        places = figure.subplots(1, len(panels), squeeze=False)[0]
        for place, (axes, (title, image)) in enumerate(zip(places, panels, strict=True)):
            axes.imshow(image, interpolation="nearest")
            axes.set_title(title, weight="normal")
            axes.set_axis_off()
            axes.set_anchor("NW")
            scale_bar(axes, tiles.mpp / scale, width, height)
            if 0 < place <= len(names):
                shown = limits[place - 1]
                colour_bar(axes, tall * width / height, tall, COLOURS, shown, "probability")
        handles = [
            Patch(
                color=_unit(combination_colour(code, len(names))),
                label=f"{combination_words(code, names)}: {(codes == code).mean():.0%}",
            )
            for code in present[:MOST_LISTED]
        ]
        title = f"Share of {len(codes)} tiles"
        figure.legend(
            handles=handles, loc="outside lower left", ncols=3, title=title, alignment="left"
        )
    return figure


def _unit(colour: Rgb) -> tuple[float, float, float]:
    """Return a colour as matplotlib takes it."""
    red, green, blue = colour
    return red / 255, green / 255, blue / 255


def _shades(values: Floats, limits: tuple[float, float]) -> list[Rgb]:

    shares = np.clip((values - limits[0]) / (limits[1] - limits[0]), 0, 1)
    shades = matplotlib.colormaps[COLOURS](shares, bytes=True)[:, :3]
    return [(red, green, blue) for red, green, blue in shades.tolist()]


def _heading(measures: Mapping[str, Any]) -> str:
    hti = measures.get("trait_hti_possible")
    if hti is None:
        return str(measures["trait_status"])
    return f"HTI {hti:.2f}, HTA {measures['trait_hta']:.2f} (p {measures['trait_hta_p']:.2g})"


def draw_score_distributions(slides: pd.DataFrame, axis: str) -> Figure:
    """Draw the scores of slides by the label of their patient, a panel per trait (Fig. 2).

    Parameters
    ----------
    slides
        See `histohet.traits.evaluation.slide_scores`; only slides that models have not seen.
    axis
        What scores are.
    """
    traits = list(dict.fromkeys(slides["trait"]))
    if not traits:
        return message_figure("Scores of slides", "No slide has a map.")
    with style():
        figure = new_figure(max(6.4, 2.4 * min(len(traits), 5)), 2.9 * -(-len(traits) // 5))
        grid = figure.subplots(-(-len(traits) // 5), min(len(traits), 5), squeeze=False)
        for place, trait in enumerate(traits):
            axes = grid[divmod(place, 5)]
            of_trait = slides[slides["trait"] == trait]
            boxes(axes, {x: of_trait["score"][of_trait["label"] == x] for x in SHOWN_LABELS})
            axes.set_title(trait)
            axes.set_ylabel(axis if place % 5 == 0 else "")
        for axes in grid.flat[len(traits) :]:
            axes.set_axis_off()
    return figure


def draw_roc(patients: pd.DataFrame, aucs: pd.DataFrame) -> Figure:
    """Draw the ROC curve of every trait over low and high patients, with a band.

    Each high patient is placed among the low ones of its own fold. The band is Wilson's 95 % of the
    sensitivity at each share of false positives.

    Parameters
    ----------
    patients
        See `histohet.traits.evaluation.patient_table`; unseen low and high ones.
    aucs
        Rows of the set ``test`` and the unit ``patient`` of the models (`evaluation.table_one`).
    """
    with style():
        figure = new_figure(6.4, 4.0)
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8)
        for number, row in enumerate(aucs.to_dict("records")):
            of_trait = patients[patients["trait"] == row["trait"]]
            false_positives, sensitivity, n = roc_curve(of_trait)
            if not n:
                continue
            colour = _unit(cluster_rgb(number))
            low, high = _wilson(sensitivity, n)
            words = f"{row['trait']}: {row['auc']:.2f} ({row['lower']:.2f}–{row['upper']:.2f})"
            axes.plot(false_positives, sensitivity, color=colour, label=words)
            axes.fill_between(false_positives, low, high, color=colour, alpha=0.12, linewidth=0)
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.set(xlabel="Low patients above the cut", ylabel="High patients above the cut")
        axes.set_title("Low against high, unseen patients")
        figure.legend(title="AUC (95 %)", loc="outside right center")
    return figure


def roc_curve(patients: pd.DataFrame) -> tuple[Floats, Floats, int]:
    """Return false positives, sensitivity at each, and the number of high patients compared."""
    needed = []
    for _, fold in patients.groupby("fold"):
        high = fold["high"].to_numpy(bool)
        if high.any() and not high.all():
            of_high, _ = placements(fold["score"].to_numpy(float), high)
            needed.append(1 - of_high)
    places = np.concatenate(needed) if needed else np.empty(0)
    grid = np.linspace(0, 1, 101)
    # Ties of a high and a low one count by half, so they lie between two steps.
    share = np.array([(places <= at + 1e-12).mean() if len(places) else 0.0 for at in grid])
    return grid, share, len(places)


def _wilson(share: Floats, n: int) -> tuple[Floats, Floats]:
    z = 1.959963984540054
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return centre - half, centre + half
