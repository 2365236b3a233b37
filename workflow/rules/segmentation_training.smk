# A model that segments CTs, trained by nnU-Net's recipe: `snakemake train_segmentation`, and only that.


localrules:
    train_segmentation,


rule plan_segmentation:
    input:
        PLAN.training.files,
    output:
        **paths.TRAINING,
        cases=directory(paths.TRAINING_CASES),
    log:
        "results/logs/plan_segmentation.log",
    benchmark:
        "results/benchmarks/plan_segmentation/all.tsv"
    conda:
        "../../envs/segmentation.yaml"
    threads: 1
    resources:
        # nnU-Net takes 100 million voxels of the foreground into its statistics.
        mem_mb=growing(PLAN.training.mem_mb),
        runtime=growing(240),
    params:
        training=PLAN.training.of_plan,
        seed=config["seed"],
        code=code_of("plan_segmentation.py"),
    script:
        "../scripts/plan_segmentation.py"


rule train_segmentation_fold:
    input:
        **paths.TRAINING,
        cases=paths.TRAINING_CASES,
    output:
        **paths.FOLD,
    log:
        "results/logs/train_segmentation_fold/{fold}.log",
    benchmark:
        "results/benchmarks/train_segmentation_fold/{fold}.tsv"
    wildcard_constraints:
        fold=r"\d|all",
    conda:
        "../../envs/segmentation.yaml"
    # Processes draw batches while the GPU computes.
    threads: 1 if PLAN.training.small else 12
    resources:
        mem_mb=growing(PLAN.training.mem_mb if PLAN.training.small else 24000),
        # A job that is killed for its time goes on after its last epoch.
        runtime=growing(240 if PLAN.training.small else 2880),
        gpu=0 if PLAN.training.small else 1,
    params:
        network=PLAN.training.of_network,
        seed=config["seed"],
        code=code_of("train_segmentation_fold.py"),
    script:
        "../scripts/train_segmentation_fold.py"


rule collect_segmentation_model:
    input:
        **paths.TRAINING,
        models=PLAN.training.models,
        histories=PLAN.training.histories,
        validations=PLAN.training.validations,
    output:
        model=directory(paths.TRAINED_MODEL),
        history="results/segmentation/history.tsv",
        validation="results/segmentation/validation.tsv",
        svg="results/segmentation/history.svg",
        png="results/segmentation/history.png",
    log:
        "results/logs/collect_segmentation_model.log",
    benchmark:
        "results/benchmarks/collect_segmentation_model/all.tsv"
    conda:
        "../../envs/segmentation.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        folds=PLAN.training.folds,
        code=code_of("collect_segmentation_model.py"),
    script:
        "../scripts/collect_segmentation_model.py"


rule train_segmentation:
    input:
        PLAN.training.model,
