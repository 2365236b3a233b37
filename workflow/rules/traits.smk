# Molecular traits of tiles, learned from bulk expression (PathoMCH): labels, models, maps, judgement.


TRAITS = config.get("traits", {})


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
        "../../envs/encoders.yaml"
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


# The published network, in place of models on embeddings: tiles of its own, a job for every network,
# so that many GPUs share them, and what the networks say of every tile.
rule cut_inception_tiles:
    input:
        record=paths.RECORD,
        slide=SLIDES.file("path"),
        tissue=paths.TISSUE,
    output:
        tiles=paths.INCEPTION_TILES,
    log:
        "results/logs/cut_inception_tiles/{slide}.log",
    benchmark:
        "results/benchmarks/cut_inception_tiles/{slide}.tsv"
    conda:
        "../../envs/encoders.yaml"
    threads: 4
    resources:
        # The JPEGs of a slide, 180 kB each, twice; a fifth of the tiles that 112 µm give.
        mem_mb=growing(2500, per_1000_tiles=80),
        runtime=growing(20, per_1000_tiles=1),
    params:
        recipe={
            key: value
            for key, value in PLAN.traits.recipe.items()
            if key in {"tile_um", "tile_px", "max_background"}
        },
        max_bad_tiles=config["encoding"]["max_bad_tiles"],
        tolerance=config["scale"]["tolerance"],
        code=code_of("cut_inception_tiles.py"),
    script:
        "../scripts/cut_inception_tiles.py"


rule train_inception:
    input:
        **paths.TRAIT_LABELS,
        preflight=paths.PREFLIGHT,
        tiles=PLAN.traits.pictures_of_tiles,
    output:
        network=paths.INCEPTION_ROUND,
        history=paths.INCEPTION_HISTORY,
    log:
        "results/logs/train_inception/{trait}/fold_{fold}_round_{round}.log",
    benchmark:
        "results/benchmarks/train_inception/{trait}/fold_{fold}_round_{round}.tsv"
    conda:
        "../../envs/encoders.yaml"
    # Threads decode tiles while the device computes.
    threads: 16
    resources:
        mem_mb=growing(16000),
        # A job that is killed for its time goes on where its last evaluation was.
        runtime=growing(720),
        gpu=1,
    params:
        lesson=PLAN.traits.lesson,
        recipe=PLAN.traits.recipe,
        seed=config["seed"],
        code=code_of("train_inception.py"),
    script:
        "../scripts/train_inception.py"


rule choose_inception_rounds:
    input:
        networks=PLAN.traits.networks_of_trait,
    output:
        model=paths.INCEPTION_MODEL,
    log:
        "results/logs/choose_inception_rounds/{trait}.log",
    benchmark:
        "results/benchmarks/choose_inception_rounds/{trait}.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        traits=as_written(PLAN.traits.of_models),
        code=code_of("choose_inception_rounds.py"),
    script:
        "../scripts/choose_inception_rounds.py"


rule score_inception_tiles:
    input:
        splits=paths.TRAIT_LABELS["splits"],
        tiles=paths.INCEPTION_TILES,
        networks=PLAN.traits.networks,
    output:
        features=paths.INCEPTION_LOGITS,
    log:
        "results/logs/score_inception_tiles/{slide}.log",
    benchmark:
        "results/benchmarks/score_inception_tiles/{slide}.tsv"
    conda:
        "../../envs/encoders.yaml"
    threads: 16
    resources:
        # 90 MB for each network of a fold.
        mem_mb=growing(6000 + 100 * PLAN.traits.shape[0] * PLAN.traits.shape[2]),
        runtime=growing(30, per_1000_tiles=3),
        gpu=1,
    params:
        patient=PLAN.traits.patient,
        shape=PLAN.traits.shape,
        part=PLAN.traits.recipe.get("part"),
        code=code_of("score_inception_tiles.py"),
    script:
        "../scripts/score_inception_tiles.py"


rule map_traits:
    input:
        labels=paths.TRAIT_LABELS["labels"],
        splits=paths.TRAIT_LABELS["splits"],
        models=PLAN.traits.models,
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


rule draw_trait_map:
    input:
        record=paths.RECORD,
        thumbnail=lambda wildcards: SLIDES.thumbnail(wildcards.slide),
        map=paths.TRAIT_MAP,
    output:
        picture=paths.TRAIT_PICTURE,
        tiles="results/traits/pictures/{combination}/{slide}.geojson",
    log:
        "results/logs/draw_trait_map/{combination}/{slide}.log",
    benchmark:
        "results/benchmarks/draw_trait_map/{combination}/{slide}.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        mem_mb=growing(1500, per_1000_tiles=2),
        runtime=growing(5, per_1000_tiles=0.05),
    params:
        traits=PLAN.traits.combination,
        measures=config["measures"],
        seed=config["seed"],
        code=code_of("draw_trait_map.py"),
    script:
        "../scripts/draw_trait_map.py"


rule evaluate_traits:
    input:
        **paths.TRAIT_LABELS,
        maps=fill(paths.TRAIT_MAP, slide=SLIDES.rows),
        thumbnails=list(map(SLIDES.thumbnail, SLIDES.rows)),
    output:
        table=paths.TRAIT_TABLE,
        page=report(
            "results/traits/table_1.html",
            caption="../report/trait_table.rst",
            category="13 Traits",
            labels={"figure": "AUC of all traits"},
        ),
        scores="results/traits/slide_scores.tsv",
        scores_svg="results/traits/slide_scores.svg",
        scores_png=report(
            "results/traits/slide_scores.png",
            caption="../report/trait_scores.rst",
            category="13 Traits",
            labels={"figure": "scores of slides"},
        ),
        roc_svg="results/traits/roc.svg",
        roc_png=report(
            "results/traits/roc.png",
            caption="../report/trait_roc.rst",
            category="13 Traits",
            labels={"figure": "ROC"},
        ),
    log:
        "results/logs/evaluate_traits.log",
    benchmark:
        "results/benchmarks/evaluate_traits/all.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000, per_1000_slides=100),
        runtime=growing(30, per_1000_slides=10),
    params:
        traits=as_written(PLAN.traits.of_models),
        slides=list(SLIDES.rows),
        patients=PLAN.traits.patients,
        code=code_of("evaluate_traits.py"),
    script:
        "../scripts/evaluate_traits.py"


rule draw_trait_controls:
    input:
        unpack(INPUTS.clinical),
        labels=paths.TRAIT_LABELS["labels"],
        slides=PLAN.traits.slides_table,
    output:
        tests=paths.TRAIT_CONTROLS,
        cox="results/traits/controls/{combination}_given_shares.tsv",
        svg="results/traits/controls/{combination}.svg",
        png=report(
            "results/traits/controls/{combination}.png",
            caption="../report/trait_controls.rst",
            category="13 Traits",
            labels={"figure": "HTI by groups", "traits": "{combination}"},
        ),
    log:
        "results/logs/draw_trait_controls/{combination}.log",
    benchmark:
        "results/benchmarks/draw_trait_controls/{combination}.tsv"
    conda:
        "../../envs/survival.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
    params:
        traits=PLAN.traits.combination,
        suffix=PLAN.traits.suffix,
        columns=as_written(PLAN.traits.controls),
        code=code_of("draw_trait_controls.py"),
    script:
        "../scripts/draw_trait_controls.py"


rule traits:
    input:
        PLAN.traits.labels,
        PLAN.traits.maps,
        PLAN.traits.pictures,
        PLAN.traits.judged,
