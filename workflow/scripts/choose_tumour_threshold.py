"""Find the tumour threshold of the cohort, or take over the one that is given."""

from dataclasses import asdict

from histohet.common.jobs import job_log, provenance_of
from histohet.common.files import write_json
from histohet.common.tables import read_tsv
from histohet.drawing.style import save_figure
from histohet.measures.cohort import comparable
from histohet.measures.slide import read_measures
from histohet.tumour.figures import draw_threshold
from histohet.tumour.threshold import choose_threshold

with job_log(snakemake) as log:
    slides = comparable(
        map(read_measures, snakemake.input.measures),
        read_tsv(snakemake.input.preflight),
        snakemake.params.pooled,
    )
    scores = [score for slide in slides for score in slide.tumour_scores]
    try:
        chosen = choose_threshold(scores, snakemake.params.given, snakemake.input.learned or None)
    except ValueError as error:
        raise SystemExit(f"tumour.threshold: {error}") from error
    log.info("%d clusters, %s", len(scores), chosen)
    provenance = provenance_of(snakemake)
    write_json(snakemake.output.threshold, {"provenance": provenance.as_dict(), **asdict(chosen)})
    figure = draw_threshold(scores, chosen)
    save_figure(figure, [snakemake.output.svg, snakemake.output.png], provenance)
