"""Finished jobs with tunes of several kinds on a tiny base, as a worker leaves them, for tests that only use what was trained."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuneport_local.jobs.folder import JobFolder
from tuneport_local.jobs.home import Jobs

from tuneport.job import JobState

from .tiny import save_tiny


def save_loud(folder: Path, **settings: Any) -> Path:
    """A tiny base that prefers some tokens to others, as trained ones do. Nearly all are equally likely to a fresh one."""
    from transformers import AutoModelForCausalLM
    from tuneport_local.quiet import quiet

    save_tiny(folder, **settings)
    with quiet():
        network: Any = AutoModelForCausalLM.from_pretrained(folder)
        for name, weights in network.named_parameters():
            weights.data.mul_(1.0 if "norm" in name else 25.0 if "embed" in name else 8.0)
        network.save_pretrained(folder)
    return folder


def lora(**settings: Any) -> Any:
    """PEFT's configuration of low-rank adapters on every linear layer."""
    from peft import LoraConfig

    return LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM", **settings)


def save_adapter(base: Path, folder: Path, *, config: Any = None, seed: int = 1, std: float = 0.1) -> None:
    """An adapter that changes what the base says."""
    import torch
    from peft import get_peft_model
    from transformers import AutoModelForCausalLM
    from tuneport_local.quiet import quiet

    with quiet():
        torch.manual_seed(seed)
        network: Any = AutoModelForCausalLM.from_pretrained(base)
        tuned: Any = get_peft_model(network, config or lora())
        for weights in tuned.parameters():
            if weights.requires_grad:
                weights.data.add_(torch.randn_like(weights), alpha=std)
        tuned.save_pretrained(folder, save_embedding_layers=False)


def finished_job(
    home: Path, job_id: str, *, base: Path | str, config: Any = None, std: float = 0.1, validation: Path | None = None
) -> JobFolder:
    """A job that has ended well, with its adapter and a checkpoint of step 4."""
    rows = home / "rows.jsonl"
    home.mkdir(exist_ok=True)
    rows.write_text("")
    recipe = {"base": str(base), "method": "sft", "client_id": job_id, "dataset_fingerprint": "d", "hyperparameters": {"device": "cpu"}}
    files = {"train": rows} | ({"validation": validation} if validation else {})
    folder, _ = Jobs(home).make(job_id, recipe, files)
    where = Path(base)
    save_adapter(where, folder.adapter, config=config, std=std)
    save_adapter(where, folder.checkpoints / "step-00000004", config=config, seed=7, std=std)
    (folder.checkpoints / "step-00000004" / "complete.json").write_text("{}")
    (folder.path / "run.json").write_text(json.dumps({"base": {"id": str(base)}}))
    folder.write_status(replace(folder.status(), state=JobState.SUCCEEDED, finished_at=folder.now()))
    return folder


def finished_whole(home: Path, job_id: str, *, base: Path) -> JobFolder:
    """A job that has trained every weight, with its whole model."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from tuneport_local.quiet import quiet

    folder = finished_job(home, job_id, base=base)
    with quiet():
        network: Any = AutoModelForCausalLM.from_pretrained(base)
        torch.manual_seed(3)
        for weights in network.parameters():
            weights.data.add_(torch.randn_like(weights), alpha=0.02)
        network.save_pretrained(folder.path / "model")
        tokenizer: Any = AutoTokenizer.from_pretrained(base)
        tokenizer.save_pretrained(folder.path / "model")
    for path in folder.adapter.iterdir():
        path.unlink()
    folder.adapter.rmdir()
    return folder
