"""A base divided among the processes of a group: each keeps its part of every weight, and has a block whole only while it computes with it.

transformers divides it while it reads it, through torch's FSDP2, so that no process ever holds all of it. What is put on such a base later
stays whole in each process, and its gradients are averaged over all; where all weights are trained they, their gradients and moments are
divided alike. accelerate has an FSDP of its own, which divides a model that every process has read whole; accelerate 1.15 takes it up only
on GPUs (`AcceleratorState` leaves it out for processes on a CPU), so that it could not be tried here.

Whatever computes with a divided model, reads all of it or writes all of it has to be done by every process of the group.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuneport_local.jobs.devices import gpus_here

_FIRST = (5, 23)
"""Of transformers: the version whose `Trainer` was seen to train such a base."""


def environment(sharding: str, *, device: str) -> dict[str, str]:
    """What a process is told before it starts. On a processor what was whole for a while has to go back to the system: glibc would keep it,
    and a divided base took more memory than a whole one (1.6 GB against 1.1 GB for 0.12 billion weights in fp32, and 0.4 GB with this)."""
    return {"MALLOC_MMAP_THRESHOLD_": str(1 << 20)} if sharding != "none" and device == "cpu" else {}


def why_not(device: str) -> str:
    """Why no base can be divided on that device here, or ''."""
    if device == "cpu" and gpus_here():
        return "torch would divide the base among the GPUs of this machine, and this trains on its CPU"
    version = importlib.metadata.version("transformers")
    if tuple(int(number) for number in re.findall(r"[0-9]+", version)[:2]) < _FIRST:
        return f"a divided base needs transformers {_FIRST[0]}.{_FIRST[1]} or newer, and here is {version}"
    return ""


def configuration(processes: int) -> Any:
    """What transformers is told."""
    from transformers.distributed import DistributedConfig

    return DistributedConfig(fsdp_size=processes)


def is_divided(model: Any) -> bool:
    """Whether its base is."""
    return bool(getattr(model, "is_distributed_loading_by_transformers", False))


def by_blocks(model: Any) -> bool:
    """Whether each of its blocks is divided by itself: else all of it would be whole while one is computed with."""
    parts = sum(hasattr(module, "reshard") for module in model.modules())
    return bool(parts > model.config.get_text_config().num_hidden_layers)


def taken_apart(model: Any) -> Any:
    """The same, with nothing of it whole: after an answer torch leaves the embeddings and the output layer whole, and whoever freezes,
    takes or copies weights then would mean these passing ones."""
    for module in model.modules():
        if hasattr(module, "reshard"):
            module.reshard()
    return model


def here(weights: Any) -> Any:
    """This process's part of a tensor; the tensor itself where it is not divided."""
    return weights.to_local() if hasattr(weights, "to_local") else weights


def whole(weights: Any) -> Any:
    """The tensor put together from all processes."""
    return weights.full_tensor() if hasattr(weights, "full_tensor") else weights


def undivided(model: Any) -> dict[str, Any]:
    """What of a model every process has whole: adapters. peft would put together all of the base to write them; and `state_dict` would take
    apart what is whole between two steps, so that this process alone would ask the others for it again."""
    kept = (*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False))
    return {name: weights.detach() for name, weights in kept if not hasattr(weights, "full_tensor")}


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a training of all weights goes on from, put together: the weights by their names, and the state of their optimizer as one
    process alone would have it. The first process of the group has them in its machine's memory, the others have none."""

    weights: Mapping[str, Any]
    optimizer: Mapping[str, Any]


def gathered(model: Any, optimizer: Any) -> Gathered:
    """Of a model and the optimizer of its weights; None for an optimizer: nothing of one."""
    from torch.utils._pytree import tree_map

    first = _is_first()

    def put_together(value: Any) -> Any:
        if not hasattr(value, "full_tensor"):
            return value
        found = value.full_tensor()
        return found.cpu() if first else None

    tied = getattr(model, "all_tied_weights_keys", None) or {}
    named = {name: weights for name, weights in model.state_dict().items() if name not in tied}
    weights, moments = tree_map(put_together, (named, optimizer.state_dict() if optimizer is not None else {}))
    return Gathered(weights, moments) if first else Gathered({}, {})


def put(model: Any, folder: Path | None) -> None:
    """Puts the weights of a whole model that transformers has written in place of those there are; only the first process has a folder."""
    from safetensors.torch import load_file
    from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict

    weights: dict[str, Any] = {}
    for file in sorted(folder.glob("model*.safetensors")) if folder is not None else ():
        weights |= load_file(file)
    set_model_state_dict(model, weights, options=StateDictOptions(full_state_dict=True, broadcast_from_rank0=True, strict=False))


def put_state(optimizer: Any, state: Mapping[str, Any]) -> None:
    """Puts a whole optimizer's state, which every process has, in place of what there is."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    inner = optimizer.optimizer if hasattr(optimizer, "optimizer") else optimizer
    learned = dict(enumerate(weights for group in inner.param_groups for weights in group["params"]))

    def divided(place: int, value: Any) -> Any:
        weights = learned[place]
        if not isinstance(weights, DTensor) or getattr(value, "shape", None) != weights.shape:
            return value
        value = value.to(weights.to_local().device)
        return distribute_tensor(value, weights.device_mesh, weights.placements, src_data_rank=None)

    parts = {place: {name: divided(place, value) for name, value in kept.items()} for place, kept in state["state"].items()}
    inner.load_state_dict({**state, "state": parts})


def write(model: Any, folder: Path, found: Gathered | None) -> None:
    """All weights of a model, as transformers writes them; `found` are those of one that is divided, else asked of all processes."""
    if found is None:
        model.save_pretrained(folder)
        return
    before, model.config.distributed_config = model.config.distributed_config, None
    try:
        model.save_pretrained(folder, state_dict=dict(found.weights))
    finally:
        model.config.distributed_config = before


def _is_first() -> bool:
    from torch import distributed

    return bool(distributed.get_rank() == 0)
