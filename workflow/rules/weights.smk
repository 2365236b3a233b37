# Weights of the configured models: `snakemake prefetch` fetches and pins them on a machine with
# internet; jobs verify them and use them offline.


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
        weights={name: written(weights) for name, weights in WEIGHTS.items()},
        lock=WEIGHTS_LOCK,
    message:
        f"Fetching weights into the hub's cache, recording them in {WEIGHTS_LOCK}"
    script:
        "../scripts/prefetch_weights.py"
