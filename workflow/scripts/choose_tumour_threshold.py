"""Find the tumour threshold of the cohort: Otsu over the clusters of all slides."""

from job import job_log, provenance_of

from histohet.drawing.figures import save_figure
from histohet.drawing.threshold import draw_threshold
from histohet.files import read_json, write_json
from histohet.measures import SlideMeasures
from histohet.tumour import otsu_threshold

with job_log(snakemake.log[0]) as log:
    scores = []
    for path in snakemake.input.measures:
        measures = SlideMeasures.from_dict(read_json(path)["measures"])
        scores += [row.tumour_score for row in measures.clusters if row.tumour_score is not None]
    threshold, reason = None, ""
    try:
        threshold = otsu_threshold(scores)
    except ValueError as error:
        reason = str(error)
    log.info("%d clusters, threshold %s %s", len(scores), threshold, reason)
    provenance = provenance_of(snakemake)
    write_json(
        snakemake.output.threshold,
        {
            "provenance": provenance.as_dict(),
            "threshold": threshold,
            "reason": reason,
            "clusters_below": sum(score <= threshold for score in scores)
            if scores and threshold is not None
            else None,
            "clusters_above": sum(score > threshold for score in scores)
            if threshold is not None
            else None,
        },
    )
    figure = draw_threshold(scores, threshold, reason)
    save_figure(figure, [snakemake.output.svg, snakemake.output.png], provenance)
