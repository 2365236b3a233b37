"""Which weights the configured models run with."""

from histohet.encoders.weights import pin, weights_source

WEIGHTS_LOCK = "config/weights.lock.json"


def weights_of(encoder):
    """Where the weights of an encoder are: a local `checkpoint`, else a file on the hub, if any."""
    if encoder.get("checkpoint"):
        return {"checkpoint": encoder["checkpoint"]}
    published = entry_of(encoder).weights
    return {"weights": asdict(published)} if published else {}


# Every model that is configured, by name; that of section `encoder` also where the configured
# variants have their own, for the ablation and the specification curve.
WEIGHTS = {
    f"encoder {encoder}": weights_of(own) for encoder, own in sorted(ENCODERS.items())
}
if FROM_CHIEF:
    WEIGHTS["encoder of CHIEF's tiles"] = weights_of(CHIEF_ENCODER)
    WEIGHTS["chief"] = {"checkpoint": ATTENTION["checkpoint"]}


# Asked once, however many slides there are.
@cache
def pinned_weights(name):
    """Which weights, by their content. Fails where weights were not fetched yet."""
    return pin(weights_source(WEIGHTS[name]), WEIGHTS_LOCK)


# Input functions of parameters: a rule names them and does not call them, so that
# `snakemake prefetch` can run before weights were fetched.
def get_encoder_weights(wildcards):
    """Weights of an encoder."""
    return pinned_weights(f"encoder {wildcards.encoder}")


def get_chief_encoder_weights(wildcards):
    """Weights of the encoder whose features CHIEF takes."""
    return pinned_weights("encoder of CHIEF's tiles")
