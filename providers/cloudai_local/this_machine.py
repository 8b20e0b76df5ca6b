"""What training, endpoints and batch jobs know of this machine: its name in a plan, and whether it has the GPUs."""

from __future__ import annotations

from typing import Final, Literal

from cloudai.errors import Unsupported
from cloudai.training.runner import gpus
from cloudai.types.custom import Accelerator

MACHINE: Final = "this machine"


def gpus_wanted(accelerator: Accelerator) -> int:
    """Whatever the accelerator's name, but for `none` and `cpu`: at least one."""
    return 0 if accelerator.name.lower() in ("none", "cpu") else max(1, accelerator.count)


def device_of(accelerator: Accelerator) -> Literal["cpu", "cuda"]:
    """What ONNX Runtime runs a model on."""
    return "cuda" if gpus_wanted(accelerator) else "cpu"


def must_have_gpus(accelerator: Accelerator, *, operation: str) -> None:
    """Raises `Unsupported` where there are fewer than asked for."""
    wanted = gpus_wanted(accelerator)
    if wanted and (found := gpus()) < wanted:
        raise Unsupported(
            f"{wanted} x {accelerator.name} asked for, and this machine has {found or 'no'} GPU"
            f"{'s' if found > 1 else ''}: take the accelerator out, or name another backend",
            operation=operation,
        )
