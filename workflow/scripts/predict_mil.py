"""Say of every patient what networks say that had not seen the patient, in all folds."""

from histohet.common.jobs import job_log, provenance_of
from histohet.common.tables import read_tsv, write_tsv
from histohet.fusion.errors import FusionError
from histohet.fusion.mil.bags import Bags, sources_of
from histohet.fusion.mil.networks import read_networks
from histohet.fusion.mil.predictions import predict_split
from histohet.fusion.splits import read_folds

with job_log(snakemake) as log:
    inputs, params = snakemake.input, snakemake.params
    repeat = int(snakemake.wildcards.repeat)
    sources = sources_of(inputs.features, inputs.get("coverage", []), params.min_coverage)
    bags = Bags(read_tsv(inputs.bags), sources)
    parts = {fold: rows["part"] for fold, rows in read_folds(inputs.folds, repeat).items()}
    networks = dict(zip(sorted(parts), map(read_networks, inputs.networks), strict=True))
    try:
        table = predict_split(networks, parts, bags, repeat)
    except FusionError as error:
        raise SystemExit(str(error)) from error
    log.info("%d patients, %d folds", table["patient"].nunique(), len(parts))
    write_tsv(snakemake.output.predicted, table, provenance_of(snakemake))
