# The hazard ratio under every combination of analysis choices.


rule draw_specification_curve:
    input:
        **CLINICAL_DATA,
        slides=expand("results/cohort/{variant}/slides.tsv", variant=CURVE_VARIANTS),
        failures=expand("results/cohort/{variant}/failures.tsv", variant=CURVE_VARIANTS),
    output:
        curve="results/specification_curve/curve.tsv",
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
        variants={name: words for name, (_, words) in CURVE_VARIANTS.items()},
        pooled=[name for name in CURVE_VARIANTS if VARIANTS[name].variant.pooled],
        analysis=ANALYSES[CURVE_ANALYSIS],
        choices=CURVE,
        code=code_of("draw_specification_curve.py"),
    script:
        "../scripts/draw_specification_curve.py"
