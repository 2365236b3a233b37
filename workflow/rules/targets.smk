"""What a run makes."""


def get_results(wildcards):
    """Everything a run makes, other than its summary; for QuPath, the first variant that has
    clusters of slides."""
    # QuPath opens slides, not what is pooled.
    of_slides = [name for name, variant in CONFIGURED.items() if not variant.pooled]
    files = [
        "results/preflight/preflight.html",
        *per_variant("results/cohort/{variant}/slides.html"),
        *(
            f"results/maps/{name}/{unit}.png"
            for name, variant in CONFIGURED.items()
            for unit in units(variant)
        ),
        *expand(
            "results/qupath/{variant}/{slide}.geojson",
            variant=of_slides[:1],
            slide=SLIDES,
        ),
        *(["results/survival/estimates.tsv"] if HAS_CLINICAL else []),
        *attention_files(),
        *embedding_files(),
        *agreement_files(),
        *added_value_files(),
        *(["results/specification_curve/curve.tsv"] if CURVE else []),
    ]
    if len(CONFIGURED) > 1:
        files.append("results/ablation/configured_variants.tsv")
    return files
