from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from histohet.common.jobs import job_log, provenance_of


class Inputs(dict[str, Any]):
    """Named inputs that go by as paths, as Snakemake's do."""

    def __iter__(self) -> Any:
        for value in self.values():
            yield from [value] if isinstance(value, str) else value


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    # Set first, so that what the job sets is taken back.
    monkeypatch.setenv("HF_HUB_OFFLINE", "")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    slide = tmp_path / "a.svs"
    slide.touch()
    many = [f"{n}.json" for n in range(5)]
    return SimpleNamespace(
        log=[str(tmp_path / "log" / "a.log")],
        input=Inputs(slide=str(slide), pair=[str(slide), str(slide)]),
        params={"k": 8, "code": "0123"},
        many=many,
    )


def test_a_job_keeps_its_log_and_asks_no_hub(job: SimpleNamespace) -> None:
    with job_log(job) as log:
        log.info("%d tiles", 7)
        assert os.environ["HF_HUB_OFFLINE"] == "1"
    assert "7 tiles" in Path(job.log[0]).read_text()


def test_the_job_that_fetches_keeps_the_user_s_setting(
    job: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with job_log(job, network=True):
        assert "HF_HUB_OFFLINE" not in os.environ
    monkeypatch.setenv("HF_HUB_OFFLINE", "yes")
    with job_log(job, network=True):
        assert os.environ["HF_HUB_OFFLINE"] == "yes"


@pytest.mark.parametrize("fails", [True, False])
def test_a_job_fails_whose_input_goes_meanwhile(job: SimpleNamespace, fails: bool) -> None:
    gone = pytest.raises(SystemExit, match=r"a\.svs and 2 more was there when the run began")
    with gone, job_log(job):
        Path(job.input["slide"]).unlink()
        if fails:
            raise FileNotFoundError(job.input["slide"])


def test_provenance_names_few_inputs_and_counts_many(job: SimpleNamespace) -> None:
    job.input["many"] = job.many
    found = provenance_of(job)
    slide = job.input["slide"]
    assert found.parameters == {"k": 8}
    assert found.inputs == {"slide": slide, "pair": f"{slide} {slide}", "many": "5 files"}
