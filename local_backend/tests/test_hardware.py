"""What the machine decides, and that it says why."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest
from tuneport_local.machine.hardware import Hardware, Shape, choose, fit

from tuneport.errors import ConfigError

SMALL = Shape(layers=30, hidden=576, intermediate=1536, vocabulary=49152, weights=134_515_008)
CPU = Hardware("cpu", "bf16", "fp32", autocast=True, packed=True, memory_bytes=16 << 30, reasons=())


def test_every_choice_comes_with_its_reason() -> None:
    chosen = choose(device="cpu")

    assert [reason.split()[0] for reason in chosen.reasons] == ["device", "precision", "adapters", "batches"]
    assert chosen.adapter_precision == "fp32"


def test_what_is_asked_for_is_taken() -> None:
    chosen = choose(device="cpu", precision="fp32", adapter_precision="bf16")

    assert (chosen.device, chosen.precision, chosen.adapter_precision, chosen.autocast) == ("cpu", "fp32", "bf16", False)


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="there is no device 'cuda:77' here"):
        choose(device="cuda:77")


def test_whole_batches_go_through_the_model_when_they_fit() -> None:
    chosen = fit(CPU, SMALL, batch_size=8, longest=100)

    assert (chosen.micro_batch, chosen.gradient_checkpointing) == (8, False)


@pytest.mark.parametrize("longest", [500, 1500, 2500])
def test_a_batch_that_does_not_fit_goes_in_equal_parts(longest: int) -> None:
    chosen = fit(CPU, SMALL, batch_size=12, longest=longest)

    assert 12 % chosen.micro_batch == 0
    assert chosen.micro_batch < 12
    assert not chosen.gradient_checkpointing
    assert "in parts of" in chosen.reasons[1]


def test_activations_are_recomputed_only_when_one_row_does_not_fit_otherwise() -> None:
    chosen = fit(CPU, SMALL, batch_size=8, longest=8000)

    assert chosen.gradient_checkpointing
    assert chosen.micro_batch > 1
    assert "would not fit" in chosen.reasons[0]


def test_recomputing_is_a_users_choice() -> None:
    assert fit(CPU, SMALL, batch_size=8, longest=10, gradient_checkpointing=True).gradient_checkpointing
    assert not fit(CPU, SMALL, batch_size=8, longest=8000, gradient_checkpointing=False).gradient_checkpointing


def test_a_machine_without_memory_still_takes_one_row_at_a_time() -> None:
    assert fit(replace(CPU, memory_bytes=1), SMALL, batch_size=8, longest=8000).micro_batch == 1


@pytest.mark.parametrize(
    ("wanted", "visible", "name", "left"),
    [
        ("cuda:1", None, "cuda:0", "1"),
        ("cuda:1", "4,6", "cuda:0", "6"),
        ("auto", "4,6", "auto", "4"),
        ("auto", "", "auto", ""),
        ("cuda:3", "4,6", "cuda:3", "4,6"),
        ("cpu", "4,6", "cpu", "4,6"),
    ],
)
def test_training_sees_one_gpu_only(wanted: str, visible: str | None, name: str, left: str) -> None:
    program = (
        "import os, sys; from tuneport_local.machine.hardware import see_one_gpu; "
        f"print(see_one_gpu({wanted!r}), os.environ['CUDA_VISIBLE_DEVICES'], sep='|'); "
        f"sys.modules['torch'] = None; print(see_one_gpu({wanted!r}), os.environ['CUDA_VISIBLE_DEVICES'], sep='|')"
    )
    environment = {key: value for key, value in os.environ.items() if key not in ("CUDA_VISIBLE_DEVICES", "LOCAL_RANK")}
    given = environment if visible is None else {**environment, "CUDA_VISIBLE_DEVICES": visible}

    said = subprocess.run([sys.executable, "-c", program], env=given, check=True, capture_output=True, text=True).stdout

    assert said.split() == [f"{name}|{left}"] * 2, "a job that is resumed in the same process gets the same"
