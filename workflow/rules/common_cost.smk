"""What a run will ask a cluster for, printed at the end of a dry run with its profile."""

import atexit


def hours_of(jobs, resource):
    """Sum of a resource over jobs, each for as long as it may take."""
    asked = [job.resources for job in jobs]
    return sum(one.get(resource, 0) * one.get("runtime", 0) / 60 for one in asked)


# Snakemake calls no hook after a dry run.
@atexit.register
def print_demand():
    """Print how many submissions there will be, and what they ask for altogether."""
    if not workflow.dryrun or workflow.nodes is None:
        return
    needed = workflow.dag.needrun_jobs(exclude_finished=False)
    jobs = [job for job in needed if not job.rule.norun]
    submissions = {workflow.dag.get_job_group(job) or job for job in jobs}
    sys.stderr.write(
        f"On the cluster: {len(jobs):,} jobs in {len(submissions):,} submissions that ask for "
        f"{hours_of(jobs, '_cores'):,.0f} core-hours and {hours_of(jobs, 'gpu'):,.0f} GPU-hours. "
        "They will need less: each asks for what the largest of its kind needs.\n"
    )
