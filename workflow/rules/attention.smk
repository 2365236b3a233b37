# Tumour attention: CHIEF's, for slides that bring none, and pictures of all.


rule encode_chief_tiles:
    input:
        record="results/preflight/slides/{slide}.json",
        slide=get_file("path"),
        tissue="results/tissue/{slide}.geojson",
    output:
        features="results/chief/features/{slide}.h5",
    log:
        "results/logs/encode_chief_tiles/{slide}.log",
    benchmark:
        "results/benchmarks/encode_chief_tiles/{slide}.tsv"
    conda:
        "../../envs/encoders.yaml"
    # As of `encode_tiles`.
    threads: 16
    resources:
        mem_mb=growing(8000),
        # A fifth of the tiles that 112 µm give.
        runtime=growing(60),
        gpu=1,
        batch_size=256,
        stage=as_written(config["encoding"]["stage"]),
    params:
        encoder=CHIEF_ENTRY.parameters(),
        weights=get_chief_encoder_weights,
        encoding=ENCODING,
        tolerance=config["scale"]["tolerance"],
        code=code_of("encode_chief_tiles.py"),
    script:
        "../scripts/encode_chief_tiles.py"


rule score_chief_attention:
    input:
        features="results/chief/features/{slide}.h5",
        checkpoint=ATTENTION.get("checkpoint", []),
    output:
        column="results/chief/attention/{slide}.h5",
        table="results/chief/attention/{slide}.csv",
    log:
        "results/logs/score_chief_attention/{slide}.log",
    benchmark:
        "results/benchmarks/score_chief_attention/{slide}.tsv"
    conda:
        # PyTorch reads the checkpoint.
        "../../envs/encoders.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        code=code_of("score_chief_attention.py"),
    script:
        "../scripts/score_chief_attention.py"


rule draw_attention:
    input:
        record="results/preflight/slides/{slide}.json",
        thumbnail="results/thumbnails/{slide}.jpg",
        attention=get_attention,
        chief=get_chief_outcome,
    output:
        picture="results/attention/{slide}.png",
        tiles="results/attention/{slide}.geojson",
    log:
        "results/logs/draw_attention/{slide}.log",
    benchmark:
        "results/benchmarks/draw_attention/{slide}.tsv"
    conda:
        "../../envs/slides.yaml"
    threads: 1
    resources:
        mem_mb=growing(1500),
        runtime=growing(10),
    params:
        tile_um=config["tumour"]["attention_tile_um"],
        code=code_of("draw_attention.py"),
    script:
        "../scripts/draw_attention.py"
