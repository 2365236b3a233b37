"""Find the tumour threshold of the cohort, or take over the one that is given."""

from typing import Any

from histohet.common.jobs import job_log, provenance_of
from histohet.common.files import write_json
from histohet.drawing.style import save_figure
from histohet.measures.slide import read_measures
from histohet.tumour.attention import otsu_threshold, read_threshold
from histohet.tumour.threshold import draw_threshold


def scores_of(path: str) -> list[float]:
    """Return the tumour scores of the clusters of a slide."""
    clusters = read_measures(path).clusters
    return [row.tumour_score for row in clusters if row.tumour_score is not None]


def learned_threshold(path: str) -> float:
    """Return the threshold of another cohort."""
    try:
        return read_threshold(path)
    except ValueError as error:
        raise SystemExit(f"tumour.threshold: {error}") from error


def choose(scores: list[float]) -> dict[str, Any]:
    """Return the threshold, where it is from, and why there is none."""
    learned, given = snakemake.input.learned, snakemake.params.given
    if learned:
        return {"threshold": learned_threshold(learned), "reason": "", "source": learned}
    if given is not None:
        return {"threshold": given, "reason": "", "source": "configuration"}
    try:
        return {"threshold": otsu_threshold(scores), "reason": "", "source": "otsu"}
    except ValueError as error:
        return {"threshold": None, "reason": str(error), "source": "otsu"}


def counts(scores: list[float], threshold: float | None) -> dict[str, int | None]:
    """Return how many clusters there are on either side."""
    if threshold is None:
        return {"clusters_below": None, "clusters_above": None}
    above = sum(score > threshold for score in scores)
    return {"clusters_below": len(scores) - above, "clusters_above": above}


with job_log(snakemake) as log:
    scores = [score for path in snakemake.input.measures for score in scores_of(path)]
    chosen = choose(scores)
    threshold = chosen["threshold"]
    log.info("%d clusters, %s", len(scores), chosen)
    provenance = provenance_of(snakemake)
    write_json(
        snakemake.output.threshold,
        {"provenance": provenance.as_dict(), **chosen, **counts(scores, threshold)},
    )
    figure = draw_threshold(scores, threshold, chosen["reason"], chosen["source"])
    save_figure(figure, [snakemake.output.svg, snakemake.output.png], provenance)
