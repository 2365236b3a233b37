"""What a run makes."""


def qupath_files():
    """Tiles of every slide for QuPath, under the first variant that has clusters of slides."""
    # QuPath opens slides, not what is pooled.
    of_slides = [name for name, variant in CONFIGURED.items() if not variant.pooled]
    return expand(
        "results/qupath/{variant}/{slide}.geojson", variant=of_slides[:1], slide=SLIDES
    )


def get_slide_results(wildcards):
    """Everything of single slides and patients that the steps of the cohort start from."""
    measures = {
        file
        for name in {**CONFIGURED, **CURVE_VARIANTS}
        for file in expand(
            MEASURES, slide=units(VARIANTS[name].variant), **VARIANTS[name].factors
        )
    }
    embeddings = expand(
        "{table}/{slide}.h5",
        table=[file.removesuffix(".tsv") for file in embedding_files()],
        slide=SLIDES,
    )
    checks = expand("results/preflight/companions/{slide}.json", slide=SLIDES)
    return [
        *checks,
        *sorted(measures),
        *qupath_files(),
        *attention_files(),
        *embeddings,
    ]


def get_results(wildcards):
    """Everything a run makes, other than its summary."""
    files = [
        "results/preflight/preflight.html",
        *per_variant("results/cohort/{variant}/slides.html"),
        *(
            f"results/maps/{name}/{unit}.png"
            for name, variant in CONFIGURED.items()
            for unit in units(variant)
        ),
        *qupath_files(),
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
