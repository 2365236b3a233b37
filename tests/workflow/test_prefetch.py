"""`snakemake prefetch` against a hub of our own, and what steps do with the weights afterwards."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="the encoders' requirements are not installed")

import safetensors.torch
import torch

from helpers.cohorts import Cohort, copy_workflow
from helpers.hubserver import COMMIT, NEXT_COMMIT, Hub, Repository, running_hub
from helpers.slidefiles import gradient, write_plain

WEIGHTS = {"repository": "lab/model", "file": "model.safetensors"}
ENCODER = {
    "name": "tiny",
    "kind": "timm",
    "model": "vit_tiny_patch16_224",
    "width": 192,
    "normalisation": "imagenet",
}
HUB = {"encoder": ENCODER | {"weights": WEIGHTS}}
LOCAL = {"encoder": ENCODER | {"checkpoint": "local.safetensors"}}

# A step with the weights of the encoder, as the encoding is one, without the encoding.
RULE = """

rule use_weights:
    output:
        "results/used.json",
    log:
        "results/logs/use_weights.log",
    params:
        weights=lambda wildcards: ENCODERS.pinned(config["encoder"]["name"]),
    script:
        "../scripts/use_weights.py"
"""
SCRIPT = """
import os

from histohet.common.jobs import job_log

from histohet.common.files import write_json
from histohet.encoders.weights import locate

with job_log(snakemake):
    path = locate(snakemake.params.weights)
    offline = os.environ["HF_HUB_OFFLINE"]
    write_json(snakemake.output[0], {"path": str(path), "offline": offline})
"""


def tensors(seed: int) -> bytes:
    generator = torch.Generator().manual_seed(seed)
    return safetensors.torch.save({"weight": torch.randn(8, 8, generator=generator)})


@pytest.fixture
def hub() -> Iterator[Hub]:
    with running_hub() as hub:
        hub.repositories["lab/model"] = Repository({COMMIT: {"model.safetensors": tensors(1)}})
        yield hub


@pytest.fixture
def cohort(tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Cohort:
    for name in list(os.environ):
        if name.startswith(("HF_", "HUGGING")) or "proxy" in name.lower():
            monkeypatch.delenv(name)
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    workflow = copy_workflow(tmp_path)
    rules = workflow / "rules" / "encoders.smk"
    rules.write_text(rules.read_text() + RULE)
    (workflow / "scripts" / "use_weights.py").write_text(SCRIPT)
    folder = tmp_path / "cohort"
    folder.mkdir()
    write_plain(folder / "a.png", gradient(50, 50))
    (folder / "slides.tsv").write_text("slide\tpath\tmpp\na\ta.png\t0.5\n")
    return Cohort(folder, workflow, {"slides": "slides.tsv"} | HUB)


def used(cohort: Cohort) -> Path:
    return Path(json.loads((cohort.folder / "results/used.json").read_text())["path"])


def failure(cohort: Cohort, target: str, **changes: Any) -> str:
    done = cohort.snakemake("--cores", "1", target, **changes)
    assert done.returncode != 0
    return done.stdout + done.stderr


def test_prefetch_then_offline(cohort: Cohort, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    text = failure(cohort, "use_weights")
    assert "lab/model: model.safetensors is not fetched yet" in text
    assert "run `snakemake prefetch`" in text

    cohort.run("prefetch")
    lock = json.loads((cohort.folder / "config/weights.lock.json").read_text())
    assert lock == {
        "lab/model/model.safetensors": WEIGHTS
        | {
            "revision": COMMIT,
            "sha256": hashlib.sha256(tensors(1)).hexdigest(),
            "size": len(tensors(1)),
        }
    }
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    cohort.run("use_weights")
    assert json.loads((cohort.folder / "results/used.json").read_text())["offline"] == "1"
    assert torch.equal(
        safetensors.torch.load_file(used(cohort))["weight"],
        safetensors.torch.load(tensors(1))["weight"],
    )
    # All is there: it is verified once more, without network.
    cohort.run("prefetch")


def test_other_weights_and_only_they_run_a_step_again(cohort: Cohort, hub: Hub) -> None:
    cohort.run("prefetch")
    cohort.run("use_weights")
    same, other = NEXT_COMMIT, "3" * 40
    commits = hub.repositories["lab/model"].commits
    commits[same] = {"model.safetensors": tensors(1)}
    commits[other] = {"model.safetensors": tensors(2)}
    for revision, expected in ((same, {}), (other, {"use_weights": 1})):
        stated = {"encoder": ENCODER | {"weights": WEIGHTS | {"revision": revision}}}
        cohort.run("prefetch", **stated)
        assert cohort.rules("use_weights", **stated) == expected


def test_a_local_file_needs_no_lock_and_reruns_by_content(cohort: Cohort) -> None:
    file = cohort.folder / "local.safetensors"
    assert "checkpoint local.safetensors: No such file" in failure(cohort, "use_weights", **LOCAL)
    file.write_bytes(tensors(1))
    cohort.run("prefetch", **LOCAL)
    assert not (cohort.folder / "config/weights.lock.json").exists()
    log = (cohort.folder / "results/logs/prefetch.log").read_text()
    assert hashlib.sha256(tensors(1)).hexdigest() in log
    cohort.run("use_weights", **LOCAL)
    assert used(cohort) == Path("local.safetensors")

    file.write_bytes(tensors(1))
    assert not cohort.rules("use_weights", **LOCAL)
    times = (file.stat().st_atime_ns, file.stat().st_mtime_ns)
    file.write_bytes(tensors(2))
    os.utime(file, ns=times)
    assert cohort.rules("use_weights", **LOCAL) == {"use_weights": 1}


def test_a_problem_of_a_prefetch_is_one_message(
    cohort: Cohort, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repositories["lab/model"].gated = True
    text = failure(cohort, "prefetch")
    assert "encoder tiny: lab/model: not logged in" in text
    assert "Traceback" not in text
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE is set" in failure(cohort, "prefetch")


def test_an_encoder_without_weights_needs_no_prefetch(cohort: Cohort, hub: Hub) -> None:
    cohort.run("prefetch", encoder={})
    assert not hub.requests
    assert "needs no weights" in (cohort.folder / "results/logs/prefetch.log").read_text()


def test_weights_are_either_local_or_on_the_hub(cohort: Cohort) -> None:
    both = ENCODER | {"weights": WEIGHTS, "checkpoint": "x.pth"}
    assert "encoder" in failure(cohort, "prefetch", encoder=both)
