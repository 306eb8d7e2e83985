"""The most that this machine multiplies: square products of matrices in bf16, in the process that has trained."""

from __future__ import annotations

import time

_SIDE = 2048
_TRIES = 8


def matrix_product() -> dict[str, float]:
    """Operations a second by the clock, and a second of one processor core; the best of several tries, since what disturbs only slows."""
    import torch

    one, other = (torch.randn(_SIDE, _SIDE).to(torch.bfloat16) for _ in range(2))
    one @ other
    wall, processor = [], []
    for _ in range(_TRIES):
        began, cpu = time.perf_counter(), time.process_time()
        one @ other
        wall.append(time.perf_counter() - began)
        processor.append(time.process_time() - cpu)
    operations = 2.0 * _SIDE**3
    return {"per_s": operations / min(wall), "per_processor_s": operations / min(processor), "threads": float(torch.get_num_threads())}
