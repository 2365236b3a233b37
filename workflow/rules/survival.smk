# From scores to survival, and the summary of the run.


rule build_cohort:
    input:
        slides="results/cohort/{variant}/slides.tsv",
        failures="results/cohort/{variant}/failures.tsv",
        clinical=CLINICAL_TABLE,
    output:
        patients="results/cohort/{variant}/patients.tsv",
    log:
        "results/logs/build_cohort/{variant}.log",
    benchmark:
        "results/benchmarks/build_cohort/{variant}.tsv"
    conda:
        "../../envs/cohort.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=20,
    params:
        clinical=config.get("clinical"),
        survival=config["survival"],
        code=code_of("build_cohort.py"),
    script:
        "../scripts/build_cohort.py"


rule analyse_survival:
    input:
        patients="results/cohort/{variant}/patients.tsv",
    output:
        results="results/survival/{variant}/results.json",
        estimates="results/survival/{variant}/estimates.tsv",
        kaplan_meier="results/survival/{variant}/kaplan_meier.tsv",
        curves_svg="results/survival/{variant}/kaplan_meier.svg",
        curves_png=report(
            "results/survival/{variant}/kaplan_meier.png",
            caption="../report/kaplan_meier.rst",
            category="6 Survival",
            labels={"variant": "{variant}", "figure": "Kaplan-Meier"},
        ),
        forest_svg="results/survival/{variant}/forest.svg",
        forest_png=report(
            "results/survival/{variant}/forest.png",
            caption="../report/forest.rst",
            category="6 Survival",
            labels={"variant": "{variant}", "figure": "hazard ratios"},
        ),
    log:
        "results/logs/analyse_survival/{variant}.log",
    benchmark:
        "results/benchmarks/analyse_survival/{variant}.tsv"
    conda:
        "../../envs/cohort.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=20,
    params:
        clinical=config.get("clinical"),
        survival=config["survival"],
        code=code_of("analyse_survival.py"),
    script:
        "../scripts/analyse_survival.py"


rule compare_variants:
    input:
        slides=expand("results/cohort/{variant}/slides.tsv", variant=VARIANTS),
        results=SURVIVAL_OF_VARIANTS,
    output:
        table="results/ablation/variants.tsv",
        svg="results/ablation/variants.svg",
        png=report(
            "results/ablation/variants.png",
            caption="../report/ablation.rst",
            category="7 Ablation",
            labels={"figure": "variants compared"},
        ),
    log:
        "results/logs/compare_variants.log",
    benchmark:
        "results/benchmarks/compare_variants/all.tsv"
    conda:
        "../../envs/cohort.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        variants=list(VARIANTS),
        survival=config["survival"],
        code=code_of("compare_variants.py"),
    script:
        "../scripts/compare_variants.py"


rule summarise:
    input:
        preflight="results/preflight/slides.tsv",
        slides=expand("results/cohort/{variant}/slides.tsv", variant=config["variants"]),
        clusters=get_summarised_clusters,
        survival=get_summarised_survival,
    output:
        summary="results/summary.json",
    log:
        "results/logs/summarise.log",
    benchmark:
        "results/benchmarks/summarise/all.tsv"
    conda:
        "../../envs/cohort.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 3000 * attempt,
        runtime=30,
    params:
        variants=config["variants"],
        code=code_of("summarise.py"),
    script:
        "../scripts/summarise.py"
