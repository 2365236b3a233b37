"""Judge the models of all traits by the slides that they have not seen."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from PIL import Image

from histohet.common.jobs import job_log, provenance_of
from histohet.common.html import write_html
from histohet.common.tables import read_tsv, write_tsv
from histohet.drawing.style import save_figure
from histohet.measures.traits import TraitMap, read_trait_map
from histohet.traits.baselines import colour_of, learned_scores, site_scores
from histohet.traits.evaluation import (
    MODEL,
    SITE,
    patient_table,
    slide_scores,
    table_one,
)
from histohet.traits.figures import draw_roc, draw_score_distributions
from histohet.traits.settings import TraitSettings

AXES = {"published": "positive tiles", "linear": "mean logit", "": "mean probability"}


def maps() -> Iterator[tuple[str, str, TraitMap]]:
    """Yield slide, patient and maps."""
    patients = snakemake.params.patients
    for slide, path in zip(snakemake.params.slides, inputs.maps, strict=True):
        yield slide, patients[slide], read_trait_map(path)


def learned(columns: pd.DataFrame) -> pd.DataFrame:
    """Return the scores by other columns than embeddings, (slides, columns), on the same splits."""
    parts = []
    for trait, of_trait in scores.groupby("trait", sort=False):
        values = columns.loc[of_trait["slide"]].to_numpy(float)
        known = (labels, thresholds, splits, settings)
        found = learned_scores(values, of_trait["patient"].tolist(), trait, *known)
        parts.append(of_trait.assign(score=found))
    return pd.concat(parts) if parts else scores


def by_site() -> pd.DataFrame:
    """Return the scores by site alone, of patients of the same label sets."""
    parts = []
    for _, of_trait in scores.groupby(["trait", scores["label"].isin(["low", "high"])]):
        patients = of_trait.drop_duplicates("patient")
        found = site_scores(patients["site"].to_numpy(), patients["high"].to_numpy(bool))
        known = dict(zip(patients["patient"], found, strict=True))
        parts.append(of_trait.assign(score=of_trait["patient"].map(known)))
    return pd.concat(parts) if parts else scores


with job_log(snakemake) as log:
    inputs, outputs = snakemake.input, snakemake.output
    settings = TraitSettings(**snakemake.params.traits)
    labels, thresholds, splits = (
        read_tsv(inputs[name]) for name in ("labels", "thresholds", "splits")
    )
    scores = slide_scores(maps(), labels, splits, settings)
    slides = list(dict.fromkeys(scores["slide"]))
    thumbnails = dict(zip(snakemake.params.slides, inputs.thumbnails, strict=True))
    colours = {slide: colour_of(np.asarray(Image.open(thumbnails[slide]))) for slide in slides}
    tiles = np.log(scores.drop_duplicates("slide").set_index("slide")[["n_tiles"]])
    baselines = {
        "number of tiles alone": learned(tiles),
        "colour of the slide alone": learned(pd.DataFrame.from_dict(colours, "index")),
    }
    if settings.site_pattern is not None:
        baselines = {SITE: by_site()} | baselines
    table = table_one(scores, baselines, settings.wanted)
    log.info("%s", table.to_string())
    provenance = provenance_of(snakemake)
    write_tsv(outputs.table, table, provenance)
    write_tsv(outputs.scores, scores, provenance)
    tested = table["set"].eq("test") & table["unit"].eq("patient")
    sections = {
        "Low against high, patients that the models have not seen": table[tested],
        "All": table[~tested],
    }
    write_html(outputs.page, sections, provenance)
    unseen = scores[scores["unseen"].astype(bool)]
    way = "published" if settings.scheme == "published" else settings.model
    figure = draw_score_distributions(unseen, AXES.get(way, AXES[""]))
    save_figure(figure, [outputs.scores_svg, outputs.scores_png], provenance)
    judged = patient_table(unseen[unseen["label"].isin(["low", "high"])])
    figure = draw_roc(judged, table[tested & table["by"].eq(MODEL)])
    save_figure(figure, [outputs.roc_svg, outputs.roc_png], provenance)
