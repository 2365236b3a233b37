"""A real SLURM of one node on this machine, run as root and without systemd.

The controller, the node and munge keep everything in one folder, but for the links in /etc/slurm by
which SLURM's commands find it: Snakemake's jobs start further steps with an environment that a
`SLURM_CONF` would not reach. The node claims more cores, memory and GPUs than the machine has: GPUs
are null devices, which are handed out but compute nothing.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ETC = Path("/etc/slurm")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch")
CPUS, MEMORY_MB, GPUS = 32, 64_000, 4
CGROUPS = Path("/sys/fs/cgroup")

SETTINGS = """\
ClusterName=histohet
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort=26817
SlurmdPort=26818
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
MpiDefault=none
MailProg=/bin/true
ReturnToService=2
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
AccountingStorageType=accounting_storage/none
JobAcctGatherFrequency=task=1
# Seconds from the time limit to the kill.
OverTimeLimit=0
KillWait=2
# How long a finished job is still listed: as long as the tests take.
MinJobAge=36000
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:{gpus} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=1-0 DefaultTime=10 State=UP
{limits}
"""
# The kernel kills what exceeds its memory, as on a real cluster; else SLURM looks every second.
BY_KERNEL = """\
ProctrackType=proctrack/cgroup
TaskPlugin=task/cgroup
JobAcctGatherType=jobacct_gather/cgroup
"""
BY_POLLING = """\
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherParams=OverMemoryKill
"""
CGROUP_SETTINGS = f"""\
CgroupPlugin=cgroup/v1
CgroupMountpoint={CGROUPS}
CgroupAutomount=no
ConstrainRAMSpace=yes
"""


class ClusterError(Exception):
    """The cluster cannot run on this machine, or did not start."""


def why_not_here() -> str | None:
    """Say why no cluster can run on this machine; None if it can."""
    if os.geteuid() != 0:
        return "SLURM's daemons need root"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)} not installed: run `make test-slurm` on Debian"
    settings = ETC / "slurm.conf"
    # Links are ours; a test run that was killed leaves them, but no controller.
    if settings.exists() and not (settings.is_symlink() and not succeeds("scontrol", "ping")):
        return f"this machine belongs to a cluster already: {settings}"
    return None


def wait_for(done: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until `done()`; raise ClusterError naming `what` after so many seconds."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise ClusterError(f"gave up after {seconds:.0f} s: {what}")
        time.sleep(0.1)


def succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@dataclass
class Cluster:
    """A running cluster; `with Cluster(folder) as cluster` starts and stops it."""

    folder: Path
    daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __enter__(self) -> Cluster:
        try:
            self._configure()
            self._start_munge()
            self.start_controller()
            self._start("slurmd", "-D", "-N", socket.gethostname().split(".")[0])
            wait_for(self._node_is_up, 60, f"the node, see {self.folder}/slurmd.log")
        except BaseException:
            self._stop_all()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # What still runs belongs to a test that failed.
        succeeds("scancel", "--full", "--user=root")
        wait_for(lambda: not self.jobs("RUNNING", "COMPLETING"), 60, "end of the jobs")
        self._stop_all()

    def start_controller(self) -> None:
        """Start the controller, with the jobs that it left if it ran before."""
        self._start("slurmctld", "-D")
        wait_for(lambda: succeeds("scontrol", "ping"), 60, f"{self.folder}/slurmctld.log")

    def stop_controller(self) -> None:
        """End the controller as an administrator would."""
        self._stop("slurmctld", signal.SIGTERM)

    def kill_controller(self) -> None:
        """End the controller as a crash of its machine would."""
        self._stop("slurmctld", signal.SIGKILL)

    def jobs(self, *states: str) -> list[dict[str, str]]:
        """List jobs, newest last: what `scontrol` says of each. All states if none is given."""
        listed = output("scontrol", "--oneliner", "--details", "show", "job").splitlines()
        jobs = [
            dict(word.split("=", 1) for word in line.split() if "=" in word)
            for line in listed
            if line.startswith("JobId=")
        ]
        jobs.sort(key=lambda job: int(job["JobId"]))
        return [job for job in jobs if not states or job["JobState"] in states]

    def _configure(self) -> None:
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True)
        by_kernel = all((CGROUPS / name).is_dir() for name in ("memory", "freezer"))
        gpus = [self.folder / f"gpu{number}" for number in range(GPUS)]
        for gpu in gpus:
            os.mknod(gpu, 0o666 | 0o020000, os.makedev(1, 3))
        files = {
            "slurm.conf": SETTINGS.format(
                host=socket.gethostname().split(".")[0],
                folder=self.folder,
                cpus=CPUS,
                memory=MEMORY_MB,
                gpus=GPUS,
                limits=BY_KERNEL if by_kernel else BY_POLLING,
            ),
            "gres.conf": "".join(f"Name=gpu File={gpu}\n" for gpu in gpus),
            "cgroup.conf": CGROUP_SETTINGS if by_kernel else "",
        }
        ETC.mkdir(exist_ok=True)
        for name, text in files.items():
            (self.folder / name).write_text(text)
            (ETC / name).unlink(missing_ok=True)
            (ETC / name).symlink_to(self.folder / name)

    def _start_munge(self) -> None:
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        sockets = self.folder / "munge.socket"
        # Forced, because it objects to root and to folders that others may not enter.
        names = ("key-file", "pid-file", "seed-file", "log-file")
        places = [f"--{name}={self.folder}/munge.{name.split('-')[0]}" for name in names]
        self._start("munged", "--foreground", "--force", f"--socket={sockets}", *places)
        wait_for(sockets.exists, 20, f"munge, see {self.folder}/munged.log")

    def _start(self, program: str, *arguments: str) -> None:
        with (self.folder / f"{program}.log").open("ab") as log:
            self.daemons[program] = subprocess.Popen(
                # Daemons do not outlive a test run that is killed.
                ["setpriv", "--pdeathsig", "TERM", program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={k: v for k, v in os.environ.items() if not k.startswith("SLURM_")},
            )

    def _stop(self, program: str, how: signal.Signals) -> None:
        daemon = self.daemons.pop(program)
        daemon.send_signal(how)
        daemon.wait(timeout=30)

    def _node_is_up(self) -> bool:
        return output("sinfo", "--noheader", "--format=%T").strip() in {"idle", "mixed"}

    def _stop_all(self) -> None:
        for daemon in reversed(list(self.daemons)):
            self._stop(daemon, signal.SIGTERM)
        for file in ETC.iterdir():
            if file.is_symlink() and file.readlink().parent == self.folder:
                file.unlink()
