"""The workflow on a real SLURM: what it asks for, what comes out, and what happens when jobs, the
controller or Snakemake are killed."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from helpers.cohorts import PHANTOMS, Cohort
from helpers.slurmcluster import Cluster, output, wait_for
from helpers.slurmruns import Submit

FEATURES = "features/thin/masked/phantom_01.h5"
MEASURES = [f"measures/thin/masked/potts/phantom_0{number}.json" for number in (1, 2)]
LIVE = ("PENDING", "RUNNING", "STOPPED", "COMPLETING")


def memory_mb(job: dict[str, str]) -> int:
    return int(job["MinMemoryNode"].removesuffix("M"))


def minutes(job: dict[str, str]) -> int:
    hours, minutes, _ = map(int, job["TimeLimit"].split(":"))
    return 60 * hours + minutes


def freeze(*jobs: dict[str, str]) -> None:
    """Stop all processes of jobs; they stay as they are until they are woken or killed."""
    send("STOP", jobs)


def wake(*jobs: dict[str, str]) -> None:
    send("CONT", jobs)


def send(name: str, jobs: Sequence[dict[str, str]]) -> None:
    # One call reaches the steps, the other the script that started them.
    for whom in ([], ["--full"]):
        output("scancel", f"--signal={name}", *whom, *(job["JobId"] for job in jobs))


def check(cohort: Cohort, local: Cohort, *names: str) -> None:
    """Check that files are what one machine made, and that nothing half-written is left."""
    found, expected = cohort.digests(), local.digests()
    assert {name: found.get(name) for name in names} == {name: expected[name] for name in names}
    assert found.items() <= expected.items()


def test_whole_cohort(fresh: Cohort, local: Cohort, submit: Submit) -> None:
    """Same bytes as on one machine; one submission for short steps of two slides, one for maps."""
    groups = ("--group-components", "prepare=2", "measure=2", "maps=50")
    run = submit(fresh, *groups)
    run.end()
    assert fresh.digests() == local.digests()

    n_slides = PHANTOMS["n_slides"]
    submissions = run.rules()
    assert submissions["prepare"] == submissions["measure"] == n_slides / 2
    assert submissions["encode_tiles"] == n_slides
    of_cohort = submissions.total() - 2 * n_slides
    of_rules = set(submissions) - {"prepare", "measure", "encode_tiles"}
    assert of_cohort == len(of_rules)

    for job in run.submissions():
        assert job["JobState"] == "COMPLETED"
        encodes = job["Comment"].startswith("rule_encode_tiles")
        assert ("gpu:1" in job["JOB_GRES"]) == encodes
        assert memory_mb(job) >= 500
    # Steps of a group follow each other: the cores and memory of one, the time of all.
    for job in run.submissions("prepare"):
        assert job["NumCPUs"] == "1"


def test_more_memory_after_a_kill_by_the_memory_limit(
    before_encoding: Cohort, local: Cohort, submit: Submit
) -> None:
    little = "encode_tiles:mem_mb=300 * 10 ** (attempt - 1)"
    run = submit(before_encoding, f"results/{FEATURES}", "--set-resources", little)
    run.end()
    killed, fine = run.submissions("encode_tiles")
    # SLURM's own word for it is in the log only: the job step was killed, the job "failed".
    assert re.search("oom-kill|memory limit", Path(killed["StdOut"]).read_text())
    assert (killed["JobState"], memory_mb(killed)) == ("FAILED", 300)
    assert (fine["JobState"], memory_mb(fine)) == ("COMPLETED", 3000)
    check(before_encoding, local, FEATURES)


def test_more_time_after_a_kill_by_the_time_limit(
    before_encoding: Cohort, local: Cohort, submit: Submit
) -> None:
    """The first attempt hangs, as on a network mount that is gone."""
    short = "encode_tiles:runtime=10 ** (attempt - 1)"
    run = submit(before_encoding, f"results/{FEATURES}", "--set-resources", short)
    (job,) = run.wait_for_work("encode_tiles")
    freeze(job)
    run.end()
    killed, fine = run.submissions("encode_tiles")
    assert (killed["JobState"], killed["TimeLimit"]) == ("TIMEOUT", "00:01:00")
    assert (fine["JobState"], fine["TimeLimit"]) == ("COMPLETED", "00:10:00")
    check(before_encoding, local, FEATURES)


def test_cancelled_jobs(before_encoding: Cohort, local: Cohort, submit: Submit) -> None:
    """One of a rule and one of a group; each asks for twice as much the second time."""
    run = submit(before_encoding, *(f"results/{name}" for name in MEASURES))
    for rule, n in (("encode_tiles", 2), ("cluster_tiles", 1)):
        job = run.wait_for_work(rule, n)[0]
        output("scancel", job["JobId"])
    run.end()
    assert run.rules() == {"encode_tiles": 3, "measure": 2}
    for about in ("encode_tiles", "measure"):
        (cancelled,) = run.submissions(about, "CANCELLED")
        fine = run.submissions(about, "COMPLETED")[-1]
        assert memory_mb(fine) == 2 * memory_mb(cancelled)
        assert minutes(fine) == 2 * minutes(cancelled)
    check(before_encoding, local, *MEASURES)


def test_cancelled_for_good(before_encoding: Cohort, local: Cohort, submit: Submit) -> None:
    """The other slide goes on; a plain rerun does what is missing."""
    targets = [f"results/{name}" for name in MEASURES]
    run = submit(before_encoding, *targets, "--retries", "0")
    wait_for(lambda: len(run.submissions("encode_tiles", *LIVE)) == 2, 600, "two submissions")
    lost = "phantom_01"
    (job,) = [job for job in run.submissions("encode_tiles") if lost in job["Comment"]]
    output("scancel", job["JobId"])
    run.end(fails=True)
    assert f"SLURM-job '{job['JobId']}' failed, SLURM status is: 'CANCELLED'" in run.text()
    check(before_encoding, local, FEATURES.replace(lost, "phantom_02"))

    again = submit(before_encoding, *targets)
    again.end()
    assert [lost in job["Comment"] for job in again.submissions("encode_tiles")] == [True]
    check(before_encoding, local, *MEASURES)


def test_controller_restarts(
    before_encoding: Cohort, local: Cohort, submit: Submit, cluster: Cluster
) -> None:
    """It is restarted while jobs run, and then while others wait for their results."""
    run = submit(before_encoding, *(f"results/{name}" for name in MEASURES))
    for rule, n in (("encode_tiles", 2), ("cluster_tiles", 1)):
        run.wait_for_work(rule, n)
        cluster.stop_controller()
        cluster.start_controller()
    run.end()
    assert run.rules() == {"encode_tiles": 2, "measure": 1}
    check(before_encoding, local, *MEASURES)


def test_controller_is_away(
    before_encoding: Cohort, local: Cohort, submit: Submit, cluster: Cluster
) -> None:
    """It crashes. The plugin may forget the jobs that it could not ask for, and wait for ever;
    interrupted and run again, it completes them."""
    targets = [f"results/{name}" for name in MEASURES]
    run = submit(before_encoding, *targets)
    run.wait_for_work("encode_tiles", n=2)
    # What the controller knows of its jobs is on its disk some seconds later.
    time.sleep(6)
    cluster.kill_controller()
    time.sleep(40)
    cluster.start_controller()
    wait_for(lambda: not run.submissions("encode_tiles", *LIVE), 600, "the jobs end")
    run.process.send_signal(signal.SIGINT)
    # It first asks to the end: 60 times, every ten seconds.
    run.process.wait(timeout=900)
    wait_for(lambda: not run.submissions("", *LIVE), 60, "its jobs are cancelled")

    again = submit(before_encoding, *targets)
    again.end()
    check(before_encoding, local, *MEASURES)


def test_interrupted_snakemake(before_encoding: Cohort, local: Cohort, submit: Submit) -> None:
    targets = [f"results/{name}" for name in MEASURES]
    run = submit(before_encoding, *targets)
    run.wait_for_work("encode_tiles", n=2)
    run.process.send_signal(signal.SIGINT)
    run.end(fails=True)
    wait_for(lambda: not run.submissions("", *LIVE), 60, "its jobs are cancelled")
    assert {job["JobState"] for job in run.submissions("encode_tiles")} == {"CANCELLED"}

    submit(before_encoding, *targets).end()
    check(before_encoding, local, *MEASURES)


@pytest.mark.parametrize("orphans", ["cancelled", "at work", "late"])
def test_killed_snakemake(
    before_encoding: Cohort, local: Cohort, submit: Submit, orphans: str
) -> None:
    """Its jobs live on: cancelled, at work beside those of the next run, or after them."""
    targets = [f"results/{name}" for name in MEASURES]
    killed = submit(before_encoding, *targets)
    jobs = killed.wait_for_work("encode_tiles", n=2)
    killed.process.kill()
    killed.process.wait()
    freeze(*jobs)
    locked = submit(before_encoding, *targets)
    locked.end(fails=True)
    assert "--unlock" in locked.text()
    submit(before_encoding, "--unlock").end()

    if orphans == "cancelled":
        output("scancel", *(job["JobId"] for job in jobs))
    again = submit(before_encoding, *targets)
    if orphans == "at work":
        again.wait_until("RUNNING", "encode_tiles", n=2)
        wake(*jobs)
    again.end()
    check(before_encoding, local, *MEASURES)

    if orphans == "late":
        wake(*jobs)
    wait_for(lambda: not killed.submissions("", *LIVE), 600, "the first run's jobs end")
    submit(before_encoding, *targets).end()
    check(before_encoding, local, *MEASURES)
