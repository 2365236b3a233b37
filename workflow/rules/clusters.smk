# Embeddings to clusters, and what can be measured on one slide.


rule cluster_tiles:
    input:
        features=get_clustered_features,
        coverage=get_stricter_coverage,
    output:
        clusters=CLUSTERS,
    log:
        "results/logs/cluster_tiles/{encoder}_{masking}_{procedure}/{slide}.log",
    benchmark:
        "results/benchmarks/cluster_tiles/{encoder}_{masking}_{procedure}/{slide}.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        # The published clustering has all embeddings in memory, and takes ten times as long.
        mem_mb=lambda wildcards, attempt: growing(
            1000, per_1000_tiles=45 if is_published(wildcards) else 8
        )(wildcards, attempt),
        runtime=lambda wildcards, attempt: growing(
            5, per_1000_tiles=0.6 if is_published(wildcards) else 0.12
        )(wildcards, attempt),
    params:
        clustering=get_clustering_settings,
        smoothed=lambda wildcards: PROCEDURES[wildcards.procedure].variant.procedure
        != "unsmoothed",
        min_coverage=get_stricter_min_coverage,
        seed=config["seed"],
        code=code_of("cluster_tiles.py"),
    script:
        "../scripts/cluster_tiles.py"


rule score_tumour_tiles:
    input:
        record="results/preflight/slides/{slide}.json",
        tiles=get_tiles,
        attention=get_attention,
        chief=get_chief_outcome,
    output:
        scores="results/tumour/{slide}.h5",
    log:
        "results/logs/score_tumour_tiles/{slide}.log",
    benchmark:
        "results/benchmarks/score_tumour_tiles/{slide}.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000, per_1000_tiles=2),
        runtime=growing(3),
    params:
        # Not the threshold: no tile depends on it.
        attention_tile_um=config["tumour"]["attention_tile_um"],
        code=code_of("score_tumour_tiles.py"),
    script:
        "../scripts/score_tumour_tiles.py"


rule measure_slide:
    input:
        clusters=CLUSTERS,
        coverage=get_clustered_coverage,
        tumour=get_clustered_tumour_scores,
        traits=get_measured_traits,
    output:
        measures=MEASURES,
    log:
        "results/logs/measure_slide/{encoder}_{masking}_{procedure}/{slide}.log",
    benchmark:
        "results/benchmarks/measure_slide/{encoder}_{masking}_{procedure}/{slide}.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000, per_1000_tiles=2),
        runtime=growing(2, per_1000_tiles=0.02),
    params:
        measures=config["measures"],
        seed=config["seed"],
        code=code_of("measure_slide.py"),
    script:
        "../scripts/measure_slide.py"


rule export_qupath:
    input:
        record="results/preflight/slides/{slide}.json",
        clusters=get_slide_clusters,
        coverage="results/coverage/{slide}.h5",
        tumour=get_tumour_scores,
    output:
        tiles="results/qupath/{variant}/{slide}.geojson",
    log:
        "results/logs/export_qupath/{variant}/{slide}.log",
    benchmark:
        "results/benchmarks/export_qupath/{variant}/{slide}.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000, per_1000_tiles=2),
        runtime=growing(3, per_1000_tiles=0.005),
    params:
        code=code_of("export_qupath.py"),
    script:
        "../scripts/export_qupath.py"
