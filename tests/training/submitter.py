"""Submits jobs and is killed while it does: `submitter.py CONFIG JOB.toml SEED POINTS`, for `test_submission.py`.

Each point is a job of its own: a child submits it and is killed after a random time, another submits it again.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

from cloudai import Client
from cloudai.training.job_file import read_job
from cloudai.training.package import AGAIN
from cloudai.training.register import Register
from cloudai.training.submission import submit


def send(config: str, job: str, point: int) -> None:
    """Exactly what `cloudai train` does."""
    with Client(config) as client:
        found = read_job(Path(job)).job
        mine = found.model_copy(update={"tags": {AGAIN: str(point)}})
        submit(client, mine, plan=client.custom.plan_training(mine), register=Register.of_runs())


def child(config: str, job: str, point: int) -> int:
    process = os.fork()
    if process == 0:
        try:
            send(config, job, point)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return process


def main(config: str, job: str, seed: str, points: str) -> None:
    source = random.Random(int(seed))
    begun = time.monotonic()
    _, status = os.waitpid(child(config, job, 0), 0)
    assert status == 0
    usual = time.monotonic() - begun
    for point in range(1, int(points) + 1):
        victim = child(config, job, point)
        time.sleep(source.uniform(0, 1.1 * usual))
        os.kill(victim, signal.SIGKILL)
        _, status = os.waitpid(victim, 0)
        print("killed" if os.WIFSIGNALED(status) else "done", flush=True)
        _, status = os.waitpid(child(config, job, point), 0)
        assert status == 0, point


if __name__ == "__main__":
    main(*sys.argv[1:])
