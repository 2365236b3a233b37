# From scores to survival.


rule build_cohort:
    input:
        slides="results/cohort/{variant}/slides.tsv",
        failures="results/cohort/{variant}/failures.tsv",
        clinical=config["clinical"]["table"] if HAS_CLINICAL else [],
    output:
        patients="results/cohort/{variant}/patients.tsv",
    log:
        "results/logs/build_cohort/{variant}.log",
    benchmark:
        "results/benchmarks/build_cohort/{variant}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=20,
    params:
        clinical=CLINICAL_COLUMNS,
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
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=20,
    params:
        clinical=CLINICAL_COLUMNS,
        survival=config["survival"],
        code=code_of("analyse_survival.py"),
    script:
        "../scripts/analyse_survival.py"


rule compare_variants:
    input:
        slides=compared("results/cohort/{variant}/slides.tsv"),
        patients=(
            compared("results/cohort/{variant}/patients.tsv") if HAS_CLINICAL else []
        ),
        estimates=(
            compared("results/survival/{variant}/estimates.tsv")
            if HAS_CLINICAL
            else []
        ),
    output:
        table="results/ablation/{compared}_variants.tsv",
        svg="results/ablation/{compared}_variants.svg",
        png=report(
            "results/ablation/{compared}_variants.png",
            caption="../report/ablation.rst",
            category="7 Ablation",
            labels={"figure": "variants compared"},
        ),
    log:
        "results/logs/compare_variants/{compared}.log",
    benchmark:
        "results/benchmarks/compare_variants/{compared}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        variants=lambda wildcards: COMPARED[wildcards.compared],
        clinical=CLINICAL_COLUMNS,
        survival=config["survival"],
        code=code_of("compare_variants.py"),
    script:
        "../scripts/compare_variants.py"
