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
            file
            for name, variant in CONFIGURED.items()
            for file in expand(MAP, variant=name, slide=units(variant))
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


def shown(files, **place):
    """The first of some pictures, one per slide or patient, marked for the report. It holds its
    pictures within the page: what there is of every slide stays out of it."""
    first = list(files)[: config["report"]["max_maps"]]
    return [report(file, labels={"slide": Path(file).stem}, **place) for file in first]


def shown_pictures():
    """Pictures of single slides that the report shows."""
    attention = [file for file in attention_files() if file.endswith(".png")]
    kinds = [
        (map(tile_picture_of, SLIDES), "tiles.rst", "2 Tissue and tiles", None),
        (attention, "attention.rst", "4 Tumour clusters", "Attention"),
    ]
    for name, variant in CONFIGURED.items():
        maps = expand(MAP, variant=name, slide=units(variant))
        kinds.append((maps, "map.rst", "3 Maps", name))
        sections = expression_files(name)
        kinds.append((sections, "expression.rst", "10 Agreement with expression", name))
    return [
        file
        for files, caption, category, group in kinds
        for file in shown(
            files, caption=f"report/{caption}", category=category, subcategory=group
        )
    ]
