# From scores to survival.


localrules:
    survival,


rule analyse_survival:
    input:
        patients=paths.PATIENTS,
    output:
        results="results/survival/{analysis}/{variant}/results.json",
        estimates=paths.ESTIMATES,
        kaplan_meier=paths.KAPLAN_MEIER,
        curves_svg="results/survival/{analysis}/{variant}/kaplan_meier.svg",
        curves_png=report(
            "results/survival/{analysis}/{variant}/kaplan_meier.png",
            caption="../report/kaplan_meier.rst",
            category="6 Survival",
            labels={
                "analysis": "{analysis}",
                "variant": "{variant}",
                "figure": "Kaplan-Meier",
            },
        ),
        table_one="results/survival/{analysis}/{variant}/table_one.tsv",
        forest_svg="results/survival/{analysis}/{variant}/forest.svg",
        forest_png=report(
            "results/survival/{analysis}/{variant}/forest.png",
            caption="../report/forest.rst",
            category="6 Survival",
            labels={
                "analysis": "{analysis}",
                "variant": "{variant}",
                "figure": "hazard ratios",
            },
        ),
    log:
        "results/logs/analyse_survival/{analysis}/{variant}.log",
    benchmark:
        "results/benchmarks/analyse_survival/{analysis}/{variant}.tsv"
    conda:
        "../../envs/survival.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
    params:
        analysis=INPUTS.analysis,
        statistics=config["statistics"],
        seed=config["seed"],
        code=code_of("analyse_survival.py"),
    script:
        "../scripts/analyse_survival.py"


rule collect_estimates:
    input:
        estimates=fill(
            paths.ESTIMATES, variant=VARIANTS.configured, analysis=ANALYSES.by_name
        ),
    output:
        estimates=paths.ALL_ESTIMATES,
        page=report(
            "results/survival/estimates.html",
            caption="../report/estimates.rst",
            category="6 Survival",
            labels={"figure": "all primary estimates"},
        ),
    log:
        "results/logs/collect_estimates.log",
    benchmark:
        "results/benchmarks/collect_estimates/all.tsv"
    conda:
        "../../envs/survival.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
    params:
        code=code_of("collect_estimates.py"),
    script:
        "../scripts/collect_estimates.py"


# The hazard ratio under every combination of analysis choices.
if VARIANTS.curve:

    rule draw_specification_curve:
        input:
            **paths.CLINICAL,
            slides=fill(paths.COHORT, variant=VARIANTS.curve),
            failures=fill(paths.FAILURES, variant=VARIANTS.curve),
        output:
            curve=paths.CURVE,
            summary="results/specification_curve/summary.tsv",
            svg="results/specification_curve/curve.svg",
            png=report(
                "results/specification_curve/curve.png",
                caption="../report/specification_curve.rst",
                category="6 Survival",
                labels={"figure": "specification curve"},
            ),
        log:
            "results/logs/draw_specification_curve.log",
        benchmark:
            "results/benchmarks/draw_specification_curve/all.tsv"
        conda:
            "../../envs/survival.yaml"
        threads: 1
        resources:
            mem_mb=growing(3000),
            runtime=growing(60),
        params:
            variants=VARIANTS.curve,
            pooled=[name for name in VARIANTS.curve if VARIANTS[name].variant.pooled],
            analysis=ANALYSES.of_curve,
            choices=config["specification_curve"],
            code=code_of("draw_specification_curve.py"),
        script:
            "../scripts/draw_specification_curve.py"


rule survival:
    input:
        PLAN.survival,
