"""Train the networks of one split: by all training patients, and without each inner fold."""

from histohet.common.jobs import job_log, provenance_of
from histohet.common.tables import read_tsv
from histohet.fusion.errors import FusionError
from histohet.fusion.mil.bags import Bags, sources_of
from histohet.fusion.mil.networks import write_networks
from histohet.fusion.mil.training import pupils_of, train
from histohet.fusion.settings import MilSettings
from histohet.fusion.splits import read_folds

with job_log(snakemake) as log:
    inputs, params = snakemake.input, snakemake.params
    repeat, fold = (int(snakemake.wildcards[name]) for name in ("repeat", "fold"))
    sources = sources_of(inputs.features, inputs.get("coverage", []), params.min_coverage)
    bags = Bags(read_tsv(inputs.bags), sources)
    rows = read_folds(inputs.folds, repeat)[fold]
    try:
        pupils = pupils_of(
            rows.index.tolist(),
            rows["time_months"].to_numpy(),
            rows["event"].to_numpy(),
            rows["part"].to_numpy(),
            bags,
        )
        seed = [params.seed, repeat, fold]
        networks = train(bags, pupils, MilSettings(**params.mil), seed)
    except FusionError as error:
        raise SystemExit(str(error)) from error
    log.info("%d patients, %d events", len(pupils.patients), pupils.event.sum())
    write_networks(snakemake.output.networks, networks, provenance_of(snakemake))
