"""List the tiles of every slide that networks may be trained on."""

from histohet.common.jobs import job_log, provenance_of
from histohet.common.tables import read_tsv, write_tsv
from histohet.fusion.errors import FusionError
from histohet.fusion.mil.bags import list_bags, sources_of
from histohet.slides.record import INCOMPARABLE

with job_log(snakemake) as log:
    inputs, params = snakemake.input, snakemake.params
    preflight = read_tsv(inputs.preflight)
    known = preflight[preflight["consequence"] != INCOMPARABLE]
    patients = dict(zip(known["slide"], known["patient"], strict=True))
    sources = sources_of(inputs.features, inputs.get("coverage", []), params.min_coverage)
    try:
        bags = list_bags(sources, patients, params.encoder)
    except FusionError as error:
        raise SystemExit(str(error)) from error
    log.info("%d of %d slides have tiles", (bags["n_tiles"] > 0).sum(), len(bags))
    write_tsv(snakemake.output.bags, bags, provenance_of(snakemake))
