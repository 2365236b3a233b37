"""Draw the way from scans and clinical tables to the patients whose risk is predicted."""

from histohet.common.jobs import job_log, provenance_of
from histohet.cohort.figures import draw_flow
from histohet.common.tables import read_tsv
from histohet.drawing.style import save_figure
from histohet.fusion.flow import to_draw

with job_log(snakemake):
    flow = to_draw(read_tsv(snakemake.input.flow))
    figure = draw_flow(flow, title=f"Patients, risk of {snakemake.params.endpoint}")
    outputs = [snakemake.output.svg, snakemake.output.png]
    save_figure(figure, outputs, provenance_of(snakemake))
