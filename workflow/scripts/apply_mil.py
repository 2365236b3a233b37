"""Say of every patient what the network of the model of another run says."""

from histohet.common.jobs import job_log, provenance_of
from histohet.common.tables import read_tsv, write_tsv
from histohet.fusion.errors import FusionError
from histohet.fusion.mil.bags import Bags, sources_of
from histohet.fusion.mil.predictions import predict_all
from histohet.fusion.mil.tables import identity_of
from histohet.fusion.model_file import read_network

with job_log(snakemake) as log:
    inputs, params = snakemake.input, snakemake.params
    sources = sources_of(inputs.features, inputs.get("coverage", []), params.min_coverage)
    listed = read_tsv(inputs.bags)
    try:
        made_by = identity_of(listed, params.made_by["mil"])
        network = read_network(inputs.model[0], made_by)
        table = predict_all(network, Bags(listed, sources))
    except FusionError as error:
        raise SystemExit(str(error)) from error
    log.info("%d patients", len(table))
    write_tsv(snakemake.output.applied, table, provenance_of(snakemake))
