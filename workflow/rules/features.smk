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
        "../../envs/encoders.yaml"
        if any(entry.needs_torch for entry in ENTRIES.values())
        else "../../envs/encoders.yaml"
    # So many processes read tiles while the device computes; without a GPU the model has as many
    # threads. Descriptors of one core each run on several slides at once instead.
    threads: lambda wildcards: 16 if needs_torch(wildcards) else 1
    resources:
        # Each reading process takes some 200 MB, and its own copy of the mask.
        mem_mb=lambda wildcards, attempt, threads: growing(
            12000 if needs_torch(wildcards) else 1000,
            per_1000_tiles=2,
            per_mb_of_geojson=0 if is_whole(wildcards) else threads * PARSED_MASK,
        )(wildcards, attempt),
        # Networks on a GPU; on processors alone give more (docs/cluster.md).
        runtime=lambda wildcards, attempt: (
            growing(60, per_1000_tiles=3)
            if needs_torch(wildcards)
            else growing(10, per_1000_tiles=0.3)
        )(wildcards, attempt),
        gpu=lambda wildcards: 1 if needs_torch(wildcards) else 0,
        # Most tiles per forward pass, and where slides are copied to before they are read. Results
        # do not depend on them, so they are no parameters.
        batch_size=256,
        stage=as_written(config["encoding"]["stage"]),
    params:
        encoder=lambda wildcards: ENTRIES[wildcards.encoder].parameters(),
        weights=get_encoder_weights,
        masking=get_masking_parameters,
        encoding=ENCODING,
        code=code_of("encode_tiles.py"),
    script:
        "../scripts/encode_tiles.py"
