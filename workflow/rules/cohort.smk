# All slides together: the tumour threshold, the table of slides, the maps.


rule choose_tumour_threshold:
    input:
        measures=get_measures_of_procedure,
        learned=get_learned_threshold,
    output:
        threshold=f"{THRESHOLD}.json",
        svg=f"{THRESHOLD}.svg",
        png=report(
            f"{THRESHOLD}.png",
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
        given=get_given_threshold(),
        code=code_of("choose_tumour_threshold.py"),
    script:
        "../scripts/choose_tumour_threshold.py"


rule collect_slides:
    input:
        preflight="results/preflight/slides.tsv",
        measures=of_variant(MEASURES),
        threshold=get_threshold,
    output:
        slides="results/cohort/{variant}/slides.tsv",
        clusters="results/cohort/{variant}/clusters.tsv",
        correlations="results/cohort/{variant}/tile_correlations.tsv",
        page=report(
            "results/cohort/{variant}/slides.html",
            caption="../report/slides.rst",
            category="5 Slides",
            labels={"variant": "{variant}"},
        ),
    log:
        "results/logs/collect_slides/{variant}.log",
    benchmark:
        "results/benchmarks/collect_slides/{variant}.tsv"
    conda:
        "../../envs/survival.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(30),
    params:
        pooled=lambda wildcards: VARIANTS[wildcards.variant].variant.pooled,
        code=code_of("collect_slides.py"),
    script:
        "../scripts/collect_slides.py"


rule check_failures:
    input:
        slides="results/cohort/{variant}/slides.tsv",
    output:
        failures="results/cohort/{variant}/failures.tsv",
    log:
        "results/logs/check_failures/{variant}.log",
    benchmark:
        "results/benchmarks/check_failures/{variant}.tsv"
    conda:
        "../../envs/survival.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        max_failed_fraction=config["max_failed_fraction"],
        code=code_of("check_failures.py"),
    script:
        "../scripts/check_failures.py"


rule draw_maps:
    input:
        slides="results/cohort/{variant}/slides.tsv",
        table="results/cohort/{variant}/clusters.tsv",
        thumbnails=[thumbnail_of(slide) for slide in SLIDES],
        clusters=of_variant(CLUSTERS),
    output:
        maps=expand(MAP, slide=SLIDES, allow_missing=True),
    log:
        "results/logs/draw_maps/{variant}.log",
    benchmark:
        "results/benchmarks/draw_maps/{variant}.tsv"
    wildcard_constraints:
        variant=one_of(name for name in VARIANTS if not VARIANTS[name].variant.pooled),
    conda:
        "../../envs/clustering.yaml"
    # One job for all slides: the threshold is the cohort's, so a new slide may recolour every map.
    threads: 8
    resources:
        mem_mb=growing(4000),
        runtime=growing(30, per_1000_slides=30),
    params:
        names=SLIDES,
        code=code_of("draw_maps.py"),
    script:
        "../scripts/draw_maps.py"
