# The tiles that cover the tissue, and which share of each is epithelium.


rule tile_slide:
    input:
        record=paths.RECORD,
        slide=SLIDES.file("path"),
        tissue=paths.TISSUE,
        thumbnail=paths.THUMBNAIL,
    output:
        tiles=paths.TILES,
        picture=paths.TILE_PICTURE,
    log:
        "results/logs/tile_slide/{slide}.log",
    benchmark:
        "results/benchmarks/tile_slide/{slide}.tsv"
    conda:
        "../../envs/slides.yaml"
    threads: 1
    resources:
        # A plain JPEG is decoded whole to see which tiles are glass.
        mem_mb=growing(2000),
        runtime=growing(5, per_1000_tiles=0.05),
    params:
        tiles=config["tiles"],
        block=PLAN.config.block._asdict(),
        tissue=SLIDES.tissue,
        code=code_of("tile_slide.py"),
    script:
        "../scripts/tile_slide.py"


rule measure_coverage:
    input:
        record=paths.RECORD,
        tiles=SLIDES.tiles,
        mask=SLIDES.file("mask"),
        stain=SLIDES.stain_mask,
    output:
        coverage=paths.COVERAGE,
    log:
        "results/logs/measure_coverage/{slide}.log",
    benchmark:
        "results/benchmarks/measure_coverage/{slide}.tsv"
    conda:
        "../../envs/slides.yaml"
    threads: 1
    resources:
        mem_mb=growing(1500, per_1000_tiles=2, per_mb_of_geojson=PARSED_MASK),
        runtime=growing(5, per_1000_tiles=0.05),
    params:
        rules=SLIDES.mask_rules,
        code=code_of("measure_coverage.py"),
    script:
        "../scripts/measure_coverage.py"
