# Where the DAG starts for slides that bring finished features: their tiles and embeddings, as ours.


rule import_tiles:
    input:
        record="results/preflight/slides/{slide}.json",
        features=get_file("features"),
        coords=get_file("tiles"),
        slide=get_file("path"),
    output:
        tiles="results/imported/tiles/{slide}.h5",
        thumbnail="results/imported/thumbnails/{slide}.jpg",
        picture="results/imported/tiles/{slide}.jpg",
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
        tile_px_level0=lambda wildcards: get_row(wildcards).tile_px_level0,
        tiles=config["tiles"],
        tolerance=config["scale"]["tolerance"],
        code=code_of("import_tiles.py"),
    script:
        "../scripts/import_tiles.py"


rule import_features:
    input:
        features=get_file("features"),
        tiles="results/imported/tiles/{slide}.h5",
        coverage=get_coverage_of_imported,
    output:
        features="results/imported/features/{masking}/{slide}.h5",
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
        min_coverage=get_min_coverage,
        has_mask=lambda wildcards: get_row(wildcards).mask is not None,
        code=code_of("import_features.py"),
    script:
        "../scripts/import_features.py"
