"""Whether the machine there is what the job was promised: a GPU for each worker where it says so, and the packages of rarer settings."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import TYPE_CHECKING

from tuneport.errors import Unsupported
from tuneport_local.jobs.failures import MachineGaveOut

if TYPE_CHECKING:
    from tuneport_local.training.spec import TrainingSpec

_SHOWN = 200


def refuse_machine(spec: TrainingSpec) -> None:
    """Raises MachineGaveOut with what is missing, and Unsupported for a package that cannot be had."""
    if spec.device.startswith("cuda"):
        refuse_without_gpus(spec.workers)
    if spec.lora.quantize is not None and importlib.util.find_spec("bitsandbytes") is None:
        _install("tuneport-local[quantize]", "bitsandbytes>=0.50")


def refuse_without_gpus(wanted: int) -> None:
    """Asked in a process of its own: which of its GPUs a process sees is decided before torch is imported."""
    program = "import torch; print(torch.__version__, torch.version.cuda, torch.cuda.device_count() if torch.cuda.is_available() else 0)"
    done = subprocess.run([sys.executable, "-P", "-W", "ignore", "-c", program], capture_output=True, text=True, check=False)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1][:_SHOWN]
        raise MachineGaveOut(f"the container's torch does not load: {why}.", remedy="Choose another container.")
    version, cuda, seen = done.stdout.split()[-3:]
    if cuda == "None":
        raise MachineGaveOut(
            f"the container has no CUDA: its torch is {version}, and the job is to train on a GPU.",
            remedy="Choose a container with PyTorch for CUDA, or set options.local.device = 'cpu'.",
        )
    if int(seen) < wanted:
        has = f"{seen} GPU{'s' if seen != '1' else ''}" if int(seen) else "no GPU"
        raise MachineGaveOut(
            f"torch {version} (CUDA {cuda}) sees {has} on the machine there, and {wanted} {'is' if wanted == 1 else 'are'} wanted.",
            remedy="Choose a machine with as many, or a container whose CUDA the machine's driver knows.",
        )


def _install(extra: str, requirement: str) -> None:
    command = [sys.executable, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--progress-bar", "off", requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr, flush=True)
    if done.returncode:
        raise Unsupported(
            f"a quantized base needs {requirement} ({extra}), which could not be installed there.", remedy="Choose a container that has it."
        )
