# Weights of the configured models: `snakemake prefetch` fetches and pins them on a machine with
# internet; jobs verify them and use them offline.

from histohet.weights import pin, weights_source

WEIGHTS_LOCK = "config/weights.lock.json"

# Every model with weights, by name: `checkpoint` (a local file) or `weights` (a file on the hub).
WEIGHTS = {
    # The catalogue plugs in here: its entry for this encoder knows `weights`, where the
    # configuration does not name a local `checkpoint` instead.
    "encoder": {
        key: config["encoder"][key]
        for key in ("checkpoint", "weights")
        if key in config["encoder"]
    },
}

# Which weights, by their content; asked once however many slides there are.
pinned_weights = cache(lambda name: pin(weights_source(WEIGHTS[name]), WEIGHTS_LOCK))

# Input function of a parameter. It fails where weights were not fetched yet, so it must not be
# called for `snakemake prefetch`: name it in a rule, do not call it there.
encoder_weights = lambda wildcards: pinned_weights("encoder")


localrules:
    prefetch,


# Without outputs, so that it verifies what is there whenever it is asked for. Jobs do not depend on
# it: they never use the network.
rule prefetch:
    log:
        "results/logs/prefetch.log",
    conda:
        "../../envs/encoders.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=480,
    params:
        weights=WEIGHTS,
        lock=WEIGHTS_LOCK,
    message:
        f"Fetching weights into the hub's cache, recording them in {WEIGHTS_LOCK}"
    script:
        "../scripts/prefetch_weights.py"
