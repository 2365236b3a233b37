# What came out: agreement with a known truth, and the key figures of the run.


rule compare_with_truth:
    input:
        slides="results/cohort/{variant}/slides.tsv",
        clusters=of_variant(CLUSTERS, WITH_TRUTH),
        truth=[SHEET.slides[slide].truth for slide in WITH_TRUTH],
    output:
        table="results/agreement/{variant}.tsv",
        svg="results/agreement/{variant}.svg",
        png=report(
            "results/agreement/{variant}.png",
            caption="../report/agreement.rst",
            category="8 Agreement with the truth",
            labels={"variant": "{variant}"},
        ),
    log:
        "results/logs/compare_with_truth/{variant}.log",
    benchmark:
        "results/benchmarks/compare_with_truth/{variant}.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
    params:
        names=WITH_TRUTH,
        code=code_of("compare_with_truth.py"),
    script:
        "../scripts/compare_with_truth.py"


rule summarise:
    input:
        preflight="results/preflight/slides.tsv",
        failures=per_variant("results/cohort/{variant}/failures.tsv"),
        slides=per_variant("results/cohort/{variant}/slides.tsv"),
        estimates=of_first_analysis(
            "results/survival/{analysis}/{variant}/estimates.tsv"
        ),
        patients=of_first_analysis("results/survival/{analysis}/{variant}/patients.tsv"),
        agreement=expand("results/agreement/{variant}.tsv", variant=COMPARED_WITH_TRUTH),
        # Only to come last: the wall time of a stage is known when it is over.
        results=get_results,
    output:
        summary="results/summary.json",
    log:
        "results/logs/summarise.log",
    benchmark:
        "results/benchmarks/summarise/all.tsv"
    conda:
        "../../envs/survival.yaml"
    threads: 1
    resources:
        mem_mb=growing(3000),
        runtime=growing(30),
    params:
        variants=list(CONFIGURED),
        pooled=[name for name, variant in CONFIGURED.items() if variant.pooled],
        compared_with_truth=COMPARED_WITH_TRUTH,
        planted_hazard_ratio=config.get("phantoms", {}).get("hazard_ratio"),
        benchmarks="results/benchmarks",
        code=code_of("summarise.py"),
    script:
        "../scripts/summarise.py"
