"""Draw how stable features are, and which of the stable ones say the same."""

from histohet.common.jobs import job_log, provenance_of
from histohet.common.tables import read_tsv
from histohet.drawing.style import save_figure
from histohet.radiomics.figures import draw_correlation, draw_stability
from histohet.radiomics.stability import stable_of
from histohet.radiomics.table import read_features

with job_log(snakemake) as log:
    params, output = snakemake.params, snakemake.output
    features = read_features(snakemake.input.features)
    stability = read_tsv(snakemake.input.stability)
    usable = features.scans[features.scans["status"] == "ok"]
    names = stable_of(features.names, stability, params.min_icc)
    log.info("%d of %d features are stable", len(names), len(features.names))
    provenance = provenance_of(snakemake)
    figure = draw_stability(stability, params.min_icc)
    save_figure(figure, [output.stability_svg, output.stability], provenance)
    figure = draw_correlation(usable[names], params.max_correlation)
    save_figure(figure, [output.correlation_svg, output.correlation], provenance)
