# One vector per slide, pooled from its tile embeddings.


rule pool_slide:
    input:
        features=get_pooled_features,
        scores=get_pooling_scores,
        coverage=get_pooling_coverage,
    output:
        embedding="results/slide_embeddings/{encoder}/{masking}/{pooling}/{slide}.h5",
    log:
        "results/logs/pool_slide/{encoder}_{masking}_{pooling}/{slide}.log",
    benchmark:
        "results/benchmarks/pool_slide/{encoder}_{masking}_{pooling}/{slide}.tsv"
    conda:
        "../../envs/slides.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000, per_1000_tiles=8),
        runtime=growing(10),
    params:
        min_coverage=get_pooling_min_coverage,
        code=code_of("pool_slide.py"),
    script:
        "../scripts/pool_slide.py"


rule collect_slide_embeddings:
    input:
        embeddings=expand(
            "results/slide_embeddings/{encoder}/{masking}/{pooling}/{slide}.h5",
            slide=SLIDES,
            allow_missing=True,
        ),
    output:
        table="results/slide_embeddings/{encoder}/{masking}/{pooling}.tsv",
        slides="results/slide_embeddings/{encoder}/{masking}/{pooling}_slides.tsv",
    log:
        "results/logs/collect_slide_embeddings/{encoder}_{masking}_{pooling}.log",
    benchmark:
        "results/benchmarks/collect_slide_embeddings/{encoder}_{masking}_{pooling}.tsv"
    conda:
        "../../envs/slides.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000, per_1000_slides=100),
        runtime=growing(60),
    params:
        code=code_of("collect_slide_embeddings.py"),
    script:
        "../scripts/collect_slide_embeddings.py"
