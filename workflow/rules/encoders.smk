# Tiles to embeddings, and the weights of the networks that make them: `snakemake prefetch` fetches and
# pins those on a machine with internet; jobs verify them and use them offline.


localrules:
    prefetch,


# Where slides are copied to before they are read changes no embedding.
ENCODING = {key: value for key, value in config["encoding"].items() if key != "stage"}


rule encode_tiles:
    input:
        unpack(INPUTS.encoding),
    output:
        features=paths.FEATURES,
    log:
        "results/logs/encode_tiles/{encoder}_{masking}/{slide}.log",
    benchmark:
        "results/benchmarks/encode_tiles/{encoder}_{masking}/{slide}.tsv"
    conda:
        "../../envs/encoders.yaml"
        if ENCODERS.any_needs_torch(VARIANTS.encoders)
        else "../../envs/slides.yaml"
    # So many processes read tiles while the device computes; without a GPU the model has as many
    # threads. Descriptors of one core each run on several slides at once instead.
    threads: ENCODERS.by_kind(network=16, descriptors=1)
    resources:
        # Each reading process takes some 200 MB, and its own copy of the mask.
        mem_mb=growing(
            ENCODERS.by_kind(network=12000, descriptors=1000),
            per_1000_tiles=2,
            per_mb_of_geojson=lambda wildcards: (
                0 if INPUTS.is_whole(wildcards) else PARSED_MASK
            ),
        ),
        # Networks on a GPU; on processors alone give more (docs/cluster.md). The tokens that a
        # tile gives are one forward pass.
        runtime=growing(
            ENCODERS.by_kind(network=60, descriptors=10),
            per_1000_tiles=ENCODERS.by_kind(
                network=3 / PLAN.config.block.kept**2, descriptors=0.3
            ),
        ),
        gpu=ENCODERS.by_kind(network=1, descriptors=0),
        # Most tiles per forward pass, and where slides are copied to before they are read. Results
        # do not depend on them, so they are no parameters.
        batch_size=256,
        stage=as_written(config["encoding"]["stage"]),
    params:
        encoder=ENCODERS.parameters,
        weights=ENCODERS.weights,
        masking=INPUTS.masking,
        encoding=ENCODING,
        code=code_of("encode_tiles.py"),
    script:
        "../scripts/encode_tiles.py"


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
        weights=ENCODERS.places_of_weights,
        lock=paths.WEIGHTS_LOCK,
    message:
        f"Fetching weights into the hub's cache, recording them in {paths.WEIGHTS_LOCK}"
    script:
        "../scripts/prefetch_weights.py"
