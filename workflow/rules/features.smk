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
        "../../envs/encoders.yaml" if IS_TIMM else "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: (8000 if IS_TIMM else 2000) * attempt,
        runtime=lambda wildcards, attempt: 120 * attempt,
        # Counted only where a profile limits it: one job at a time on each GPU.
        gpu=1 if IS_TIMM else 0,
        # Tiles per forward pass; results do not depend on it, so it is not a parameter.
        batch_size=64,
    params:
        encoder=config["encoder"],
        masking=get_masking_parameters,
        code=code_of("encode_tiles.py"),
    script:
        "../scripts/encode_tiles.py"
