# Blocks of predictors together: CT, slide, clinical data, heterogeneity, under competing risks.


localrules:
    fusion,
    mil_attention,


# Networks on tiles, which learn from outcomes and so within the folds of everything else: who is dealt
# where, a job for each fold, and what each says of the patients whom it has not seen.
rule list_bags:
    input:
        preflight=paths.PREFLIGHT,
        features=PLAN.fusion.features,
        coverage=PLAN.fusion.coverage,
    output:
        bags=paths.MIL_BAGS,
    log:
        "results/logs/list_bags.log",
    benchmark:
        "results/benchmarks/list_bags/all.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000, per_1000_slides=100),
        runtime=growing(10, per_1000_slides=10),
    params:
        encoder=PLAN.fusion.encoder,
        min_coverage=PLAN.fusion.min_coverage,
        code=code_of("list_bags.py"),
    script:
        "../scripts/list_bags.py"


rule deal_folds:
    input:
        **paths.CLINICAL,
        tables=PLAN.fusion.tables,
        slides=PLAN.fusion.slides,
        vectors=PLAN.fusion.vectors,
        bags=PLAN.fusion.bags,
    output:
        folds=paths.FUSION_FOLDS,
    log:
        "results/logs/deal_folds.log",
    benchmark:
        "results/benchmarks/deal_folds/all.tsv"
    conda:
        "../../envs/survival.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000, per_1000_slides=100),
        runtime=growing(10),
    params:
        fusion=PLAN.fusion.of_folds,
        analysis=PLAN.fusion.analysis,
        patients=PLAN.fusion.patients,
        made_by=PLAN.fusion.made_by,
        seed=config["seed"],
        code=code_of("deal_folds.py"),
    script:
        "../scripts/deal_folds.py"


rule train_mil:
    input:
        folds=paths.FUSION_FOLDS,
        bags=paths.MIL_BAGS,
        features=PLAN.fusion.features,
        coverage=PLAN.fusion.coverage,
    output:
        networks=paths.MIL_NETWORKS,
    log:
        "results/logs/train_mil/{repeat}_{fold}.log",
    benchmark:
        "results/benchmarks/train_mil/{repeat}_{fold}.tsv"
    conda:
        "../../envs/encoders.yaml"
    threads: 1
    resources:
        # Tiles of sixteen patients, whatever the cohort.
        mem_mb=growing(3000, per_1000_slides=20),
        runtime=growing(60, per_1000_slides=240),
        gpu=1,
    params:
        mil=PLAN.fusion.mil,
        min_coverage=PLAN.fusion.min_coverage,
        seed=config["seed"],
        code=code_of("train_mil.py"),
    script:
        "../scripts/train_mil.py"


rule predict_mil:
    input:
        folds=paths.FUSION_FOLDS,
        bags=paths.MIL_BAGS,
        features=PLAN.fusion.features,
        coverage=PLAN.fusion.coverage,
        networks=PLAN.fusion.networks,
    output:
        predicted=paths.MIL_PREDICTED,
    log:
        "results/logs/predict_mil/{repeat}.log",
    benchmark:
        "results/benchmarks/predict_mil/{repeat}.tsv"
    conda:
        "../../envs/encoders.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000, per_1000_slides=20),
        # 20,000 tiles of 1,024 numbers take a second for each fold.
        runtime=growing(30, per_1000_slides=240),
    params:
        min_coverage=PLAN.fusion.min_coverage,
        code=code_of("predict_mil.py"),
    script:
        "../scripts/predict_mil.py"


rule draw_mil_attention:
    input:
        record=paths.RECORD,
        thumbnail=lambda wildcards: SLIDES.thumbnail(wildcards.slide),
        features=PLAN.fusion.features_of_slide,
        coverage=PLAN.fusion.coverage_of_slide,
        folds=paths.FUSION_FOLDS,
        networks=PLAN.fusion.first_networks,
    output:
        picture=report(
            paths.MIL_ATTENTION,
            caption="../report/mil_attention.rst",
            category="14 Fusion",
            subcategory="attention of networks",
            labels={"slide": "{slide}"},
        ),
    log:
        "results/logs/draw_mil_attention/{slide}.log",
    benchmark:
        "results/benchmarks/draw_mil_attention/{slide}.tsv"
    conda:
        "../../envs/encoders.yaml"
    threads: 1
    resources:
        mem_mb=growing(1500, per_1000_tiles=2),
        runtime=growing(5, per_1000_tiles=0.05),
    params:
        patient=PLAN.fusion.patient_of_slide,
        min_coverage=PLAN.fusion.min_coverage,
        code=code_of("draw_mil_attention.py"),
    script:
        "../scripts/draw_mil_attention.py"


rule apply_mil:
    input:
        bags=paths.MIL_BAGS,
        features=PLAN.fusion.features,
        coverage=PLAN.fusion.coverage,
        model=PLAN.fusion.model,
    output:
        applied=paths.MIL_APPLIED,
    log:
        "results/logs/apply_mil.log",
    benchmark:
        "results/benchmarks/apply_mil/all.tsv"
    conda:
        "../../envs/encoders.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000, per_1000_slides=20),
        runtime=growing(30, per_1000_slides=60),
    params:
        made_by=PLAN.fusion.made_by,
        min_coverage=PLAN.fusion.min_coverage,
        code=code_of("apply_mil.py"),
    script:
        "../scripts/apply_mil.py"


rule fuse:
    input:
        **paths.CLINICAL,
        tables=PLAN.fusion.tables,
        draws=PLAN.fusion.draws,
        slides=PLAN.fusion.slides,
        vectors=PLAN.fusion.vectors,
        bags=PLAN.fusion.bags,
        predicted=PLAN.fusion.predicted,
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
        patients=PLAN.fusion.patients,
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
        bags=PLAN.fusion.bags,
        predicted=PLAN.fusion.predicted_of_everybody,
        network=PLAN.fusion.network,
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
        patients=PLAN.fusion.patients,
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
        bags=PLAN.fusion.bags,
        predicted=PLAN.fusion.applied,
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
        patients=PLAN.fusion.patients,
        made_by=PLAN.fusion.made_by,
        seed=config["seed"],
        code=code_of("apply_fusion_model.py"),
    script:
        "../scripts/apply_fusion_model.py"


rule draw_fusion:
    input:
        **paths.FUSION,
    output:
        svg="results/fusion/{evaluation}/fusion.svg",
        png=report(
            paths.FUSION_FIGURE,
            caption="../report/fusion.rst",
            category="14 Fusion",
            labels={
                "evaluation": "{evaluation}",
                "figure": "models, calibration, risks",
            },
        ),
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


rule fusion:
    input:
        PLAN.fusion.results,


rule mil_attention:
    input:
        PLAN.fusion.attention,
