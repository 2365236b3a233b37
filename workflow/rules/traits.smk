# Molecular traits of tiles, learned from bulk expression (PathoMCH): labels, models, maps, judgement.


TRAITS = config.get("traits", {})

# Planes need scikit-learn, networks PyTorch.
TRAINED_IN = (
    f"../../envs/{'encoders' if PLAN.traits.needs_torch else 'clustering'}.yaml"
)


localrules:
    traits,


rule label_traits:
    input:
        tables=sorted({one["table"] for one in TRAITS.get("expression", [])}),
        sheet=config["slides"],
    output:
        **paths.TRAIT_LABELS,
        problems="results/traits/problems.tsv",
    log:
        "results/logs/label_traits.log",
    benchmark:
        "results/benchmarks/label_traits/all.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000, per_1000_slides=100),
        runtime=growing(20),
    params:
        # A table of all genes is read line by line: two minutes for PanCanAtlas'.
        traits=as_written(PLAN.traits.of_patients),
        patient_pattern=as_written(config.get("patient_pattern")),
        seed=config["seed"],
        code=code_of("label_traits.py"),
    script:
        "../scripts/label_traits.py"


rule train_traits:
    input:
        **paths.TRAIT_LABELS,
        preflight=paths.PREFLIGHT,
        vectors=PLAN.traits.vectors,
        features=PLAN.traits.features,
        coverage=PLAN.traits.coverage,
    output:
        model=paths.TRAIT_MODEL,
    log:
        "results/logs/train_traits/{trait}.log",
    benchmark:
        "results/benchmarks/train_traits/{trait}.tsv"
    conda:
        TRAINED_IN
    threads: 1
    resources:
        # Mean vectors of all slides, and a thousand logits of each under every fold.
        mem_mb=growing(2000, per_1000_slides=200),
        # A plane takes seconds and the tiles of the slides have to be read; networks are trained.
        runtime=growing(720 if PLAN.traits.needs_torch else 20, per_1000_slides=60),
        gpu=int(PLAN.traits.needs_torch),
    params:
        traits=as_written(PLAN.traits.of_models),
        encoder=PLAN.traits.encoder,
        min_coverage=PLAN.traits.min_coverage,
        seed=config["seed"],
        code=code_of("train_traits.py"),
    script:
        "../scripts/train_traits.py"


rule map_traits:
    input:
        labels=paths.TRAIT_LABELS["labels"],
        splits=paths.TRAIT_LABELS["splits"],
        models=fill(paths.TRAIT_MODEL, trait=PLAN.traits.wanted),
        features=PLAN.traits.features_of_slide,
        coverage=PLAN.traits.coverage_of_slide,
    output:
        map=paths.TRAIT_MAP,
        table="results/traits/maps/{slide}.tsv",
    log:
        "results/logs/map_traits/{slide}.log",
    benchmark:
        "results/benchmarks/map_traits/{slide}.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000, per_1000_tiles=2),
        runtime=growing(5, per_1000_tiles=0.02),
    params:
        traits=as_written(PLAN.traits.of_models),
        patient=PLAN.traits.patient,
        encoder=PLAN.traits.encoder,
        min_coverage=PLAN.traits.min_coverage,
        code=code_of("map_traits.py"),
    script:
        "../scripts/map_traits.py"


rule traits:
    input:
        PLAN.traits.labels,
        PLAN.traits.maps,
