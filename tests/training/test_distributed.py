"""Several processes of one run on this machine, by torch's launcher."""

import json
from pathlib import Path

from cloudai import Client
from cloudai.types.custom import TrainingJob
from cloudai.types.speech import JobState

SCRIPT = """
import json, os
import torch
import torch.distributed as dist
from cloudai.training import log_metric, model_dir, rank, world_size
dist.init_process_group("gloo")
total = torch.tensor([float(rank() + 1)])
dist.all_reduce(total)
assert (dist.get_rank(), dist.get_world_size()) == (rank(), world_size())
if rank() == 0:
    log_metric("total", total.item())
    (model_dir() / "world.json").write_text(json.dumps([world_size(), total.item()]))
dist.destroy_process_group()
"""


def test_nodes_are_processes_that_find_each_other(tmp_path: Path) -> None:
    (tmp_path / "cloudai.toml").write_text(
        '[backends.here]\nprovider = "local"\nruns = "runs"\n[routes]\n"*" = "here"\n'
    )
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "train.py").write_text(SCRIPT)
    job = TrainingJob(name="wide", script="train.py", source=str(tmp_path / "src"), framework="pytorch", nodes=2)
    with Client(tmp_path / "cloudai.toml") as client:
        result = client.custom.train(job)
        assert result.run is not None
        run = client.custom.run(result.run)
        status = run.wait(interval=0.2, timeout=120)
        assert status.state is JobState.SUCCEEDED, list(run.logs())
        assert [metric.value for metric in run.metrics()] == [3.0]
        run.fetch(tmp_path / "got")
    assert json.loads((tmp_path / "got" / "world.json").read_text()) == [2, 3.0]
