# The slides of a patient as one, for variants that pool them. From here on the patient stands where
# a slide stands.


rule pool_patient:
    input:
        features=get_features_of_patient,
        coverage=lambda wildcards: expand(
            "results/coverage/{slide}.h5", slide=PATIENTS[wildcards.slide]
        ),
        tumour=get_tumour_scores_of_patient,
        thumbnails=lambda wildcards: [
            thumbnail_of(slide) for slide in PATIENTS[wildcards.slide]
        ],
    output:
        features="results/pooled/{encoder}/{masking}/{slide}.features.h5",
        coverage="results/pooled/{encoder}/{masking}/{slide}.coverage.h5",
        tumour="results/pooled/{encoder}/{masking}/{slide}.tumour.h5",
        thumbnail="results/pooled/{encoder}/{masking}/{slide}.jpg",
    log:
        "results/logs/pool_patient/{encoder}_{masking}/{slide}.log",
    benchmark:
        "results/benchmarks/pool_patient/{encoder}_{masking}/{slide}.tsv"
    conda:
        "../../envs/clustering.yaml"
    threads: 1
    resources:
        mem_mb=growing(1000, per_1000_tiles=16),
        runtime=growing(10),
    params:
        slides=lambda wildcards: PATIENTS[wildcards.slide],
        # No region of the spatial index reaches over two slides, no tile has a neighbour there.
        gap_um=max(config["measures"]["hta_region_um"], 10 * config["tiles"]["tile_um"]),
        code=code_of("pool_patient.py"),
    script:
        "../scripts/pool_patient.py"


use rule draw_maps as draw_pooled_maps with:
    input:
        slides="results/cohort/{variant}/slides.tsv",
        table="results/cohort/{variant}/clusters.tsv",
        thumbnails=get_pooled_thumbnails,
        clusters=of_variant(CLUSTERS),
    output:
        maps=expand(MAP, slide=PATIENTS, allow_missing=True),
    log:
        "results/logs/draw_pooled_maps/{variant}.log",
    benchmark:
        "results/benchmarks/draw_pooled_maps/{variant}.tsv"
    wildcard_constraints:
        variant=one_of(name for name in VARIANTS if VARIANTS[name].variant.pooled),
    params:
        names=list(PATIENTS),
        code=code_of("draw_maps.py"),
