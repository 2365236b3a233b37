# Blocks of predictors together: CT, slide, clinical data, heterogeneity, under competing risks.


localrules:
    fusion,


rule fuse:
    input:
        **paths.CLINICAL,
        tables=PLAN.fusion.tables,
        draws=PLAN.fusion.draws,
        slides=PLAN.fusion.slides,
        vectors=PLAN.fusion.vectors,
    output:
        **{
            name: fill(file, evaluation="cross_validated")[0]
            for name, file in paths.FUSION.items()
        },
    log:
        "results/logs/fuse.log",
    benchmark:
        "results/benchmarks/fuse/all.tsv"
    conda:
        "../../envs/survival.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000, per_1000_slides=100),
        # Three minutes of an idle core for 200 patients and 15 models, without permutations.
        runtime=growing(240),
    params:
        fusion=PLAN.fusion.params,
        analysis=PLAN.fusion.analysis,
        made_by=PLAN.fusion.made_by,
        seed=config["seed"],
        code=code_of("fuse.py"),
    script:
        "../scripts/fuse.py"


rule save_fusion_model:
    input:
        **paths.CLINICAL,
        tables=PLAN.fusion.tables,
        draws=PLAN.fusion.draws,
        slides=PLAN.fusion.slides,
        vectors=PLAN.fusion.vectors,
    output:
        **paths.FUSION_MODEL,
    log:
        "results/logs/save_fusion_model.log",
    benchmark:
        "results/benchmarks/save_fusion_model/all.tsv"
    conda:
        "../../envs/survival.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000, per_1000_slides=100),
        runtime=growing(30),
    params:
        fusion=PLAN.fusion.params,
        analysis=PLAN.fusion.analysis,
        made_by=PLAN.fusion.made_by,
        seed=config["seed"],
        code=code_of("save_fusion_model.py"),
    script:
        "../scripts/save_fusion_model.py"


rule apply_fusion_model:
    input:
        **paths.CLINICAL,
        tables=PLAN.fusion.tables,
        draws=PLAN.fusion.draws,
        slides=PLAN.fusion.slides,
        vectors=PLAN.fusion.vectors,
        model=PLAN.fusion.model,
    output:
        **{
            name: fill(file, evaluation="applied")[0]
            for name, file in paths.FUSION.items()
        },
    log:
        "results/logs/apply_fusion_model.log",
    benchmark:
        "results/benchmarks/apply_fusion_model/all.tsv"
    conda:
        "../../envs/survival.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000, per_1000_slides=100),
        runtime=growing(30),
    params:
        fusion=PLAN.fusion.params,
        analysis=PLAN.fusion.analysis,
        made_by=PLAN.fusion.made_by,
        seed=config["seed"],
        code=code_of("apply_fusion_model.py"),
    script:
        "../scripts/apply_fusion_model.py"


rule draw_fusion:
    input:
        **paths.FUSION,
    output:
        **{
            f"{name}_svg": f"results/fusion/{{evaluation}}/{name}.svg"
            for name in paths.FUSION_FIGURES
        },
        **{
            f"{name}_png": report(
                f"results/fusion/{{evaluation}}/{name}.png",
                caption="../report/fusion.rst",
                category="14 Fusion",
                labels={"evaluation": "{evaluation}", "figure": shows},
            )
            for name, shows in paths.FUSION_FIGURES.items()
        },
    log:
        "results/logs/draw_fusion/{evaluation}.log",
    benchmark:
        "results/benchmarks/draw_fusion/{evaluation}.tsv"
    conda:
        "../../envs/survival.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        endpoint=lookup(dpath="fusion/endpoint", within=config, default=""),
        code=code_of("draw_fusion.py"),
    script:
        "../scripts/draw_fusion.py"


rule draw_fusion_flow:
    input:
        flow=paths.FUSION["flow"],
    output:
        svg="results/fusion/{evaluation}/flow.svg",
        png=report(
            paths.FUSION_FLOW,
            caption="../report/fusion_flow.rst",
            category="14 Fusion",
            labels={"evaluation": "{evaluation}", "figure": "flow of patients"},
        ),
    log:
        "results/logs/draw_fusion_flow/{evaluation}.log",
    benchmark:
        "results/benchmarks/draw_fusion_flow/{evaluation}.tsv"
    conda:
        "../../envs/survival.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        endpoint=lookup(dpath="fusion/endpoint", within=config, default=""),
        code=code_of("draw_fusion_flow.py"),
    script:
        "../scripts/draw_fusion_flow.py"


rule write_checklist:
    input:
        **paths.FUSION,
        model=PLAN.fusion.described_model,
        scans=PLAN.fusion.stability,
    output:
        page=report(
            paths.CHECKLIST["page"],
            caption="../report/checklist.rst",
            category="14 Fusion",
            labels={"evaluation": "{evaluation}", "figure": "reporting checklists"},
        ),
        table=paths.CHECKLIST["table"],
        features=paths.CHECKLIST["features"],
    log:
        "results/logs/write_checklist/{evaluation}.log",
    benchmark:
        "results/benchmarks/write_checklist/{evaluation}.tsv"
    conda:
        "../../envs/survival.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        fusion=PLAN.fusion.params,
        analysis=PLAN.fusion.analysis,
        seed=config["seed"],
        clinical=lookup(dpath="clinical", within=config, default=[]),
        extraction=PLAN.fusion.extraction,
        code=code_of("write_checklist.py"),
    script:
        "../scripts/write_checklist.py"


rule fusion:
    input:
        PLAN.fusion.results,
