# Where the DAG starts for slides that bring finished features: their tiles and embeddings, as ours.


rule import_tiles:
    input:
        record=paths.RECORD,
        features=SLIDES.file("features"),
        coords=SLIDES.file("tiles"),
        slide=SLIDES.file("path"),
    output:
        tiles=paths.IMPORTED_TILES,
        thumbnail=paths.IMPORTED_THUMBNAIL,
        picture=paths.IMPORTED_TILE_PICTURE,
    log:
        "results/logs/import_tiles/{slide}.log",
    benchmark:
        "results/benchmarks/import_tiles/{slide}.tsv"
    conda:
        "../../envs/slides.yaml"
    threads: 1
    resources:
        # A plain JPEG is decoded whole for its thumbnail.
        mem_mb=growing(2000, per_1000_tiles=8),
        runtime=growing(10),
    params:
        tile_px_level0=lambda wildcards: SLIDES.row(wildcards).tile_px_level0,
        tiles=SLIDES.tile_size,
        tolerance=config["scale"]["tolerance"],
        code=code_of("import_tiles.py"),
    script:
        "../scripts/import_tiles.py"


rule import_features:
    input:
        features=SLIDES.file("features"),
        tiles=paths.IMPORTED_TILES,
        coverage=INPUTS.coverage_of_imported,
    output:
        features=paths.IMPORTED_FEATURES,
    log:
        "results/logs/import_features/{masking}/{slide}.log",
    benchmark:
        "results/benchmarks/import_features/{masking}/{slide}.tsv"
    conda:
        "../../envs/slides.yaml"
    threads: 1
    resources:
        # Blocks of 128 MB, whatever the size of the file.
        mem_mb=growing(1000, per_1000_tiles=10),
        runtime=growing(10),
    params:
        min_coverage=INPUTS.min_coverage,
        has_mask=lambda wildcards: SLIDES.row(wildcards).mask is not None,
        code=code_of("import_features.py"),
    script:
        "../scripts/import_features.py"
