"""Train the models of one trait, fold by fold."""

from histohet.common.jobs import job_log, provenance_of
from histohet.common.tables import read_tsv
from histohet.slides.record import INCOMPARABLE
from histohet.traits.expression import TraitError
from histohet.traits.models import write_model
from histohet.traits.samples import read_slides
from histohet.traits.settings import TraitSettings
from histohet.traits.training import Fit, train_trait


def fit_of(model: str, seed: int) -> Fit:
    """Return what learns a kind of models; each has an environment of its own."""
    if model == "linear":
        from histohet.traits.linear import fit_linear

        return fit_linear
    from histohet.traits.networks import NetworkFit

    return NetworkFit(model, seed)


with job_log(snakemake) as log:
    inputs, params, trait = snakemake.input, snakemake.params, snakemake.wildcards.trait
    settings = TraitSettings(**params.traits)
    preflight = read_tsv(inputs.preflight)
    known = preflight[preflight["consequence"] != INCOMPARABLE]
    try:
        slides, _ = read_slides(
            inputs.vectors,
            inputs.features,
            inputs.get("coverage", []),
            params.min_coverage,
            dict(zip(known["slide"], known["patient"], strict=True)),
        )
        model = train_trait(
            trait,
            slides,
            *(read_tsv(inputs[name]) for name in ("labels", "thresholds", "splits")),
            settings,
            params.encoder,
            fit_of(settings.model, params.seed),
        )
    except TraitError as error:
        raise SystemExit(f"trait '{trait}': {error}") from error
    for number, fold in model.folds.items():
        log.info("fold %d: thresholds %s, %s", number, fold.thresholds, fold.about)
    write_model(snakemake.output.model, model, provenance_of(snakemake))
