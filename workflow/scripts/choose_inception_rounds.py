"""Choose the networks of one trait that count, by their validation slides."""

from histohet.common.jobs import job_log, provenance_of
from histohet.traits.models import write_model
from histohet.traits.rounds import model_of_rounds, read_round
from histohet.traits.settings import TraitSettings

with job_log(snakemake) as log:
    settings = TraitSettings(**snakemake.params.traits)
    rounds = [read_round(path) for path in snakemake.input.networks]
    model = model_of_rounds(snakemake.wildcards.trait, rounds, settings)
    for number, fold in model.folds.items():
        log.info("fold %d: thresholds %s, %s", number, fold.thresholds, fold.about)
    write_model(snakemake.output.model, model, provenance_of(snakemake))
