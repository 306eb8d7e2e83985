"""What a library raises becomes a sentence; what is the machine's fault can be told from what is the job's."""

from __future__ import annotations

import errno

import pytest
import torch
from tuneport_local.jobs.failures import MachineGaveOut, told, written


def raised_by_an_allocation() -> Exception:
    try:
        torch.empty(1 << 50)
    except RuntimeError as error:
        return error
    raise AssertionError("this machine has more memory than there is")


@pytest.mark.parametrize(
    "error", [raised_by_an_allocation(), MemoryError(), torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore")]
)
def test_memory_that_runs_out_is_told_with_what_helps(error: Exception) -> None:
    found = told(error)

    assert isinstance(found, MachineGaveOut)
    assert str(found).startswith("the memory did not suffice")
    assert "batch_size" in found.remedy
    assert "\n" not in str(found)


def test_a_full_disk_is_told_with_the_file() -> None:
    found = told(OSError(errno.ENOSPC, "No space left on device", "/jobs/one/metrics.jsonl"))

    assert isinstance(found, MachineGaveOut)
    assert found.message == "/jobs/one/metrics.jsonl could not be written: No space left on device."


def test_anything_else_keeps_its_name_and_first_line() -> None:
    found = told(KeyError("rope_theta"))

    assert not isinstance(found, MachineGaveOut)
    assert found.message == "KeyError: 'rope_theta' (the full report is in worker.log)"


def test_an_error_of_the_computation_is_not_taken_for_a_full_disk() -> None:
    with pytest.raises(RuntimeError, match="device-side assert"), written("a checkpoint"):
        raise RuntimeError("CUDA error: device-side assert triggered")
