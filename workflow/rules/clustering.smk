# Embeddings to clusters, and what can be measured and shown of one slide; for variants that pool the
# slides of a patient, of the patient, who stands from `pool_patient` on where a slide stands.


localrules:
    slides,
    maps,
    qupath,
    anndata,


rule pool_patient:
    input:
        features=INPUTS.features_of_patient,
        coverage=INPUTS.coverage_of_patient,
        tumour=INPUTS.tumour_scores_of_patient,
        thumbnails=INPUTS.thumbnails_of_patient,
    output:
        features=paths.POOLED_FEATURES,
        coverage=paths.POOLED_COVERAGE,
        tumour=paths.POOLED_TUMOUR_SCORES,
        thumbnail=paths.POOLED_THUMBNAIL,
    log:
        "results/logs/pool_patient/{encoder}_{masking}/{slide}.log",
    benchmark:
        "results/benchmarks/pool_patient/{encoder}_{masking}/{slide}.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000, per_1000_tiles=16, pooled=True),
        runtime=growing(10),
    params:
        slides=INPUTS.slides_of_patient,
        # No region of the spatial index reaches over two slides, no tile has a neighbour there.
        gap_um=max(
            config["measures"]["hta_region_um"], 10 * PLAN.config.row_size.tile_um
        ),
        code=code_of("pool_patient.py"),
    script:
        "../scripts/pool_patient.py"


rule cluster_tiles:
    input:
        features=INPUTS.clustered_features,
        coverage=INPUTS.stricter_coverage,
    output:
        clusters=paths.CLUSTERS,
    log:
        "results/logs/cluster_tiles/{encoder}_{masking}_{procedure}/{slide}.log",
    benchmark:
        "results/benchmarks/cluster_tiles/{encoder}_{masking}_{procedure}/{slide}.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        # The published clustering has all embeddings in memory, and takes ten times as long.
        mem_mb=growing(
            1000, INPUTS.by_procedure(ours=8, published=45), pooled=INPUTS.is_pooled
        ),
        runtime=growing(
            5, INPUTS.by_procedure(ours=0.12, published=0.6), pooled=INPUTS.is_pooled
        ),
    params:
        clustering=INPUTS.clustering,
        smoothed=INPUTS.is_smoothed,
        min_coverage=INPUTS.stricter_min_coverage,
        seed=config["seed"],
        code=code_of("cluster_tiles.py"),
    script:
        "../scripts/cluster_tiles.py"


rule measure_slide:
    input:
        clusters=paths.CLUSTERS,
        features=INPUTS.clustered_features,
        coverage=INPUTS.clustered_coverage,
        tumour=INPUTS.clustered_tumour_scores,
        traits=INPUTS.traits,
    output:
        measures=paths.MEASURES,
    log:
        "results/logs/measure_slide/{encoder}_{masking}_{procedure}/{slide}.log",
    benchmark:
        "results/benchmarks/measure_slide/{encoder}_{masking}_{procedure}/{slide}.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000, per_1000_tiles=2, pooled=INPUTS.is_pooled),
        runtime=growing(2, per_1000_tiles=0.02, pooled=INPUTS.is_pooled),
    params:
        measures=config["measures"],
        combinations=PLAN.traits.combinations,
        seed=config["seed"],
        code=code_of("measure_slide.py"),
    script:
        "../scripts/measure_slide.py"


rule draw_map:
    input:
        slides=paths.COHORT,
        table=paths.COHORT_CLUSTERS,
        thumbnail=INPUTS.thumbnail,
        clusters=INPUTS.clusters,
    output:
        map=paths.MAP,
    log:
        "results/logs/draw_map/{variant}/{slide}.log",
    benchmark:
        "results/benchmarks/draw_map/{variant}/{slide}.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        mem_mb=growing(1500, per_1000_tiles=2, pooled=INPUTS.is_variant_pooled),
        runtime=growing(3, per_1000_tiles=0.05, pooled=INPUTS.is_variant_pooled),
    params:
        code=code_of("draw_map.py"),
    script:
        "../scripts/draw_map.py"


rule export_qupath:
    input:
        record=paths.RECORD,
        clusters=INPUTS.clusters,
        coverage=paths.COVERAGE,
        tumour=SLIDES.tumour_scores,
    output:
        tiles=paths.QUPATH,
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


rule export_anndata:
    input:
        clusters=INPUTS.clusters,
        features=INPUTS.features_of_variant,
        coverage=paths.COVERAGE,
        tumour=SLIDES.tumour_scores,
        thumbnail=INPUTS.thumbnail,
    output:
        tiles=paths.ANNDATA,
    log:
        "results/logs/export_anndata/{variant}/{slide}.log",
    benchmark:
        "results/benchmarks/export_anndata/{variant}/{slide}.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000, per_1000_tiles=2),
        runtime=growing(3, per_1000_tiles=0.02),
    params:
        code=code_of("export_anndata.py"),
    script:
        "../scripts/export_anndata.py"


# What concerns single slides, and nothing of the cohort: with --batch, a share of them.
rule slides:
    input:
        PLAN.of_slides,


rule maps:
    input:
        PLAN.maps,


rule qupath:
    input:
        PLAN.qupath,


rule anndata:
    input:
        PLAN.anndata,
