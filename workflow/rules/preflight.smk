# Will this cohort run? What every slide is and will give, and what is wrong with the sheets.


localrules:
    preflight,


rule check_slide:
    input:
        files=SLIDES.files("path", "features", "tiles"),
    output:
        record=paths.RECORD,
    log:
        "results/logs/check_slide/{slide}.log",
    benchmark:
        "results/benchmarks/check_slide/{slide}.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000, per_1000_tiles=5),
        runtime=growing(5),
    params:
        row=SLIDES.values,
        problems_of_files=SLIDES.problems_of_files,
        duplicate_rows=SLIDES.duplicate_rows,
        tiles=SLIDES.tile_size,
        scale=config["scale"],
        code=code_of("check_slide.py"),
    script:
        "../scripts/check_slide.py"


rule check_companions:
    input:
        record=paths.RECORD,
        mask=SLIDES.file("mask"),
        attention=SLIDES.file("attention"),
        traits=SLIDES.file("traits"),
        truth=SLIDES.file("truth"),
    output:
        record=paths.COMPANIONS,
    log:
        "results/logs/check_companions/{slide}.log",
    benchmark:
        "results/benchmarks/check_companions/{slide}.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000, per_1000_tiles=2, per_mb_of_geojson=PARSED_MASK),
        runtime=growing(3),
    params:
        tiles=PLAN.config.row_size.canonical(),
        rules=SLIDES.mask_rules,
        code=code_of("check_companions.py"),
    script:
        "../scripts/check_companions.py"


rule collect_preflight:
    input:
        slides=fill(paths.RECORD, slide=SLIDES.rows),
        companions=fill(paths.COMPANIONS, slide=SLIDES.rows),
        # What the run keeps is known once tissue, tiles and masks are; nothing is encoded.
        tissue=fill(paths.TISSUE, slide=SLIDES.segmented),
        tiles=list(map(SLIDES.tiles_of, SLIDES.rows)),
        masks=fill(paths.COVERAGE, slide=SLIDES.masked),
        sheet=SLIDES.sheet,
    output:
        slides=paths.PREFLIGHT,
    log:
        "results/logs/collect_preflight.log",
    benchmark:
        "results/benchmarks/collect_preflight/all.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
    params:
        patient_pattern=as_written(config.get("patient_pattern")),
        encoder=ENCODERS.configured.parameters(),
        min_tiles=config["clustering"]["min_tiles"],
        min_coverage=config["epithelium"]["min_coverage"],
        by_stain=bool(SLIDES.stained),
        tolerance=config["scale"]["tolerance"],
        code=code_of("collect_preflight.py"),
    script:
        "../scripts/collect_preflight.py"


# Apart from the table of slides, which no clinical table changes.
rule list_problems:
    input:
        unpack(INPUTS.clinical),
        slides=paths.PREFLIGHT,
        sheet=SLIDES.sheet,
    output:
        problems="results/preflight/problems.tsv",
        page=report(
            paths.PREFLIGHT_PAGE,
            caption="../report/preflight.rst",
            category="1 Preflight",
            labels={"table": "slides and sheets"},
        ),
    log:
        "results/logs/list_problems.log",
    benchmark:
        "results/benchmarks/list_problems/all.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(20),
    params:
        patient_pattern=as_written(config.get("patient_pattern")),
        code=code_of("list_problems.py"),
    script:
        "../scripts/list_problems.py"


# Whether a mask is right is seen best. Ours is made before anything is encoded too.
rule draw_mask:
    input:
        record=paths.RECORD,
        thumbnail=lambda wildcards: SLIDES.thumbnail(wildcards.slide),
        tiles=SLIDES.tiles,
        coverage=paths.COVERAGE,
        mask=SLIDES.file("mask"),
        stain=SLIDES.stain_mask,
    output:
        picture=paths.MASK_PICTURE,
    log:
        "results/logs/draw_mask/{slide}.log",
    benchmark:
        "results/benchmarks/draw_mask/{slide}.tsv"
    conda:
        "../../envs/slides.yaml"
    threads: 1
    resources:
        mem_mb=growing(1500, per_1000_tiles=2, per_mb_of_geojson=PARSED_MASK),
        runtime=growing(5),
    params:
        rules=SLIDES.mask_rules,
        min_coverage=config["epithelium"]["min_coverage"],
        code=code_of("draw_mask.py"),
    script:
        "../scripts/draw_mask.py"


rule preflight:
    input:
        rules.list_problems.output,
        PLAN.masks,
        PLAN.traits.labels,
