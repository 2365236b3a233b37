"""What jobs ask a cluster for: more for larger slides and cohorts, twice as much after each attempt
that was killed. docs/cluster.md has the fits behind the numbers in the rules."""

from math import ceil


# One GPU for a job, or for a submission that holds several; on one machine jobs take turns on it.
# So do the steps of a submission: `step` is what the cluster profile gives each of them.
resource_scopes:
    gpu="local",
    step="local",


# Upper ends of what was seen: at 20x, tissue from edge to edge; 1,280 numbers of 32 bits per tile.
TILES_PER_MB = 50
IMPORTED_TILES_PER_MB = 200


@cache
def expected_tiles(slide):
    """Tiles of a slide, guessed from the size of its file: known before anything ran, and without
    opening thousands of slides."""
    row = SHEET.slides[slide]
    file = Path(row.features or row.path)
    size_mb = file.stat().st_size / 1e6 if file.is_file() else 0
    return size_mb * (IMPORTED_TILES_PER_MB if row.features else TILES_PER_MB)


def growing(base, per_1000_tiles=0, per_1000_slides=0):
    """Amount of a resource: some for every job, some for the size of its slide or patient, some for
    the size of the cohort."""

    def of_job(wildcards, attempt):
        amount = base + per_1000_slides * len(SLIDES) / 1000
        if per_1000_tiles:
            slides = PATIENTS.get(wildcards.slide, [wildcards.slide])
            amount += per_1000_tiles * sum(map(expected_tiles, slides)) / 1000
        return ceil(amount) * 2 ** (attempt - 1)

    return of_job
