"""The phantom cohort, run once for all tests of this folder."""

from __future__ import annotations

import pytest

from cohorts import CONFIG, Cohort, copy_workflow


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """The phantom cohort after a complete run with all variants. Tests must leave it as it is."""
    folder = tmp_path_factory.mktemp("finished")
    cohort = Cohort(folder / "cohort", copy_workflow(folder), CONFIG)
    cohort.run(snakefile="phantoms.smk")
    cohort.run()
    return cohort


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests of one cohort in one process, so that it is run once."""
    for item in items:
        cohort = "finished" if "finished" in getattr(item, "fixturenames", ()) else item.path.stem
        item.add_marker(pytest.mark.xdist_group(cohort))
