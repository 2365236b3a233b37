"""Draw what models of blocks predict: ranking, gains, calibration, decisions, incidence."""

from histohet.common.jobs import job_log, provenance_of
from histohet.common.tables import read_tsv
from histohet.drawing.style import save_figure
from histohet.fusion.figures import draw_fusion

with job_log(snakemake):
    names = ("estimates", "decision", "curves", "fits")
    tables = {name: read_tsv(snakemake.input[name]) for name in names}
    how = snakemake.wildcards.evaluation.replace("_", "-")
    title = f"Risk of {snakemake.params.endpoint}, {how}"
    outputs = [snakemake.output.svg, snakemake.output.png]
    save_figure(draw_fusion(tables, title=title), outputs, provenance_of(snakemake))
