# Tumour attention, CHIEF's for slides that bring none, and which clusters are tumour by it.


localrules:
    attention,


rule encode_chief_tiles:
    input:
        record=paths.RECORD,
        slide=SLIDES.file("path"),
        tissue=paths.TISSUE,
    output:
        features=paths.CHIEF_FEATURES,
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
        encoder=ENCODERS.chief.parameters(),
        weights=ENCODERS.chief_weights,
        encoding=ENCODING,
        tolerance=config["scale"]["tolerance"],
        code=code_of("encode_chief_tiles.py"),
    script:
        "../scripts/encode_chief_tiles.py"


rule score_chief_attention:
    input:
        features=paths.CHIEF_FEATURES,
        checkpoint=lookup(dpath="attention/checkpoint", within=config, default=[]),
    output:
        column=paths.CHIEF_SCORES,
        table=paths.CHIEF_TABLE,
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
        record=paths.RECORD,
        thumbnail=paths.THUMBNAIL,
        attention=SLIDES.attention,
        chief=SLIDES.chief_scores,
    output:
        picture=paths.ATTENTION_PICTURE,
        tiles=paths.ATTENTION_TILES,
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


rule score_tumour_tiles:
    input:
        record=paths.RECORD,
        tiles=SLIDES.tiles,
        attention=SLIDES.attention,
        chief=SLIDES.chief_scores,
    output:
        scores=paths.TUMOUR_SCORES,
    log:
        "results/logs/score_tumour_tiles/{slide}.log",
    benchmark:
        "results/benchmarks/score_tumour_tiles/{slide}.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000, per_1000_tiles=2),
        runtime=growing(3),
    params:
        # Not the threshold: no tile depends on it.
        attention_tile_um=config["tumour"]["attention_tile_um"],
        code=code_of("score_tumour_tiles.py"),
    script:
        "../scripts/score_tumour_tiles.py"


rule choose_tumour_threshold:
    input:
        measures=INPUTS.measures_of_procedure,
        preflight=paths.PREFLIGHT,
        learned=INPUTS.learned_threshold,
    output:
        threshold=paths.THRESHOLD,
        svg="results/cohort/thresholds/{encoder}/{masking}/{procedure}.svg",
        png=report(
            "results/cohort/thresholds/{encoder}/{masking}/{procedure}.png",
            caption="../report/threshold.rst",
            category="4 Tumour clusters",
            labels={
                "encoder": "{encoder}",
                "tiles": "{masking}",
                "clusters": "{procedure}",
            },
        ),
    log:
        "results/logs/choose_tumour_threshold/{encoder}_{masking}_{procedure}.log",
    benchmark:
        "results/benchmarks/choose_tumour_threshold/{encoder}_{masking}_{procedure}.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
    params:
        given=INPUTS.given_threshold,
        pooled=INPUTS.is_pooled,
        code=code_of("choose_tumour_threshold.py"),
    script:
        "../scripts/choose_tumour_threshold.py"


rule attention:
    input:
        PLAN.attention,
