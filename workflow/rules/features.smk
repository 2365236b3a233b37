# Tiles to embeddings.


rule encode_tiles:
    input:
        unpack(get_encoder_inputs),
    output:
        features="results/features/{encoder}/{masking}/{slide}.h5",
    log:
        "results/logs/encode_tiles/{encoder}_{masking}/{slide}.log",
    benchmark:
        "results/benchmarks/encode_tiles/{encoder}_{masking}/{slide}.tsv"
    conda:
        "../../envs/encoders.yaml" if NEEDS_TORCH else "../../envs/core.yaml"
    # So many processes read tiles while the device computes; without a GPU the model has as many
    # threads. Descriptors of one core each run on several slides at once instead.
    threads: 16 if NEEDS_TORCH else 1
    resources:
        # Each reading process takes some 200 MB.
        mem_mb=lambda wildcards, attempt: (12000 if NEEDS_TORCH else 2000) * attempt,
        runtime=lambda wildcards, attempt: 120 * attempt,
        # Counted only where a profile limits it: one job at a time on each GPU.
        gpu=1 if NEEDS_TORCH else 0,
        # Most tiles per forward pass, and where slides are copied to before they are read. Results
        # do not depend on them, so they are no parameters.
        batch_size=256,
        stage=config["encoding"]["stage"],
    params:
        encoder=config["encoder"],
        weights=get_encoder_weights,
        masking=get_masking_parameters,
        encoding=ENCODING,
        code=code_of("encode_tiles.py"),
    script:
        "../scripts/encode_tiles.py"
