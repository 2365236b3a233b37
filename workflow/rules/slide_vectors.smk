# One vector per slide, pooled from its tile embeddings.


localrules:
    slide_vectors,


rule pool_slide:
    input:
        features=INPUTS.features_of_vector,
        scores=INPUTS.scores_of_vector,
        coverage=INPUTS.coverage_of_vector,
    output:
        embedding=paths.SLIDE_VECTOR,
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
        min_coverage=INPUTS.min_coverage_of_vector,
        code=code_of("pool_slide.py"),
    script:
        "../scripts/pool_slide.py"


rule collect_slide_embeddings:
    input:
        embeddings=INPUTS.vectors(list(SLIDES.rows)),
    output:
        table=paths.SLIDE_VECTORS,
        slides=paths.SLIDES_OF_VECTORS,
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
        made_by=ENCODERS.made_vectors,
        patients=SLIDES.owners,
        code=code_of("collect_slide_embeddings.py"),
    script:
        "../scripts/collect_slide_embeddings.py"


rule slide_vectors:
    input:
        PLAN.vectors,
