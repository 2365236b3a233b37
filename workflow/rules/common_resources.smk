"""What jobs ask a cluster for: more for larger slides and cohorts, twice as much after each attempt
that was killed. docs/cluster.md has the fits behind the numbers in the rules."""

from collections import Counter
from math import ceil

from histohet.slides.files import DICOM, LARGEST_GEOJSON, files_of, is_geojson


# One GPU for a job, or for a submission that holds several; on one machine jobs take turns on it.
# So do the steps of a submission: `step` is what the cluster profile gives each of them.
resource_scopes:
    gpu="local",
    step="local",


# Upper ends of what was seen: at 20x, tissue from edge to edge, a tile every 112 µm; 1,280 numbers of
# 32 bits per tile.
TILES_PER_MB = (
    50 * (112 / (config["tiles"]["tile_um"] - config["tiles"]["overlap_um"])) ** 2
)
IMPORTED_TILES_PER_MB = 200

# MB of memory that a process needs per MB of a GeoJSON mask.
PARSED_MASK = 12

DICOM_SLIDES = Counter(
    Path(row.path).parent
    for row in SHEET.slides.values()
    if row.path and Path(row.path).suffix.lower() == DICOM
)


def sizes_mb(path):
    """Size of a file and of what belongs to it; nothing if it is not there or cannot be reached,
    which is for the jobs to say."""
    try:
        return [file.stat().st_size / 1e6 for file in files_of(Path(path))]
    except OSError:
        return [0]


@cache
def expected_tiles(slide):
    """Tiles of a slide, guessed from the size of its files: known before anything ran, and without
    opening thousands of slides."""
    row = SHEET.slides[slide]
    if row.features:
        return sizes_mb(row.features)[0] * IMPORTED_TILES_PER_MB
    own, *others = sizes_mb(row.path)
    # Which DICOM files of a folder are whose only they say: its slides get equal shares.
    shared_by = max(DICOM_SLIDES[Path(row.path).parent], 1)
    return (own + sum(others) / shared_by) * TILES_PER_MB


@cache
def geojson_mb(slide):
    """Size of the polygons that a slide brings as its mask; what is larger is refused unread."""
    mask = SHEET.slides[slide].mask
    size_mb = sizes_mb(mask)[0] if mask and is_geojson(mask) else 0
    return min(size_mb, LARGEST_GEOJSON / 1e6)


def growing(base, per_1000_tiles=0, per_1000_slides=0, per_mb_of_geojson=0):
    """Amount of a resource: some for every job, some for the size of its slide or patient, some for
    the size of the cohort, some for the mask of its slide."""

    def of_job(wildcards, attempt):
        amount = base + per_1000_slides * len(SLIDES) / 1000
        if per_1000_tiles:
            slides = PATIENTS.get(wildcards.slide, [wildcards.slide])
            amount += per_1000_tiles * sum(map(expected_tiles, slides)) / 1000
        if per_mb_of_geojson:
            amount += per_mb_of_geojson * geojson_mb(wildcards.slide)
        return ceil(amount) * 2 ** (attempt - 1)

    return of_job
