"""Which weights the configured models run with."""

from histohet.encoders.catalogue import pinned_weights

WEIGHTS_LOCK = "config/weights.lock.json"

# Every model that is configured, by name; that of section `encoder` also where the configured
# variants have their own, for the ablation and the specification curve.
WEIGHTS = {f"encoder {name}": ENTRIES[name].weights for name in sorted(ENTRIES)}
if FROM_CHIEF:
    WEIGHTS["encoder of CHIEF's tiles"] = CHIEF_ENTRY.weights
    WEIGHTS["chief"] = ATTENTION["checkpoint"]


def written(weights):
    """Where weights are, as a plain value: a local path, a file of the hub, or none."""
    return weights.canonical() if hasattr(weights, "canonical") else weights


# Asked once, however many slides there are: a local file is read for it.
@cache
def pinned_weights_of(encoder):
    """Which weights, by their content. Fails where weights were not fetched yet."""
    entry = CHIEF_ENTRY if encoder is None else ENTRIES[encoder]
    return pinned_weights(entry, WEIGHTS_LOCK, CATALOGUE)


# Input functions of parameters: a rule names them and does not call them, so that
# `snakemake prefetch` can run before weights were fetched.
def get_encoder_weights(wildcards):
    """Weights of an encoder."""
    return pinned_weights_of(wildcards.encoder)


def get_chief_encoder_weights(wildcards):
    """Weights of the encoder whose features CHIEF takes."""
    return pinned_weights_of(None)
