"""Why a training ended, in a sentence: what the libraries raise when the machine gives out, told apart from what is wrong with the job."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from tuneport.errors import ConfigError, TuneportError

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_TORCH_WRITES = ("inline_container", "PytorchStreamWriter", "iostream")
_NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


class MachineGaveOut(ConfigError):
    """The disk or the memory did not suffice. Nothing is wrong with the job: once there is room it can go on from its last checkpoint."""


class Interrupted(MachineGaveOut):
    """Whatever trains it is elsewhere, or was not to be had now: the job waits to be resumed, with a checkpoint here or without one."""


@contextmanager
def written(what: str) -> Iterator[None]:
    """Whatever the block raises because `what` does not fit on the disk becomes MachineGaveOut. torch and safetensors raise their own."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError) as error:
        raise _no_room(what, error) from None
    except RuntimeError as error:
        if not any(sign in str(error) for sign in _TORCH_WRITES):
            raise
        raise _no_room(what, error) from None


def _no_room(what: str, error: Exception) -> MachineGaveOut:
    why = (error.strerror if isinstance(error, OSError) else None) or first_line(error)
    return MachineGaveOut(f"{what} could not be written: {why}.", remedy="Free some space there.")


def told(error: Exception) -> TuneportError:
    """What an error that a library raised means for the job."""
    words = first_line(error)
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return _no_room(str(error.filename or "a file of the job"), error)
    if out_of_memory(error):
        return MachineGaveOut(
            f"the memory did not suffice ({words[:200]}).",
            remedy="Lower batch_size or max_length, set options.local.gradient_checkpointing = true, or close other programs.",
        )
    return TuneportError(f"{type(error).__name__}: {words} (the full report is in worker.log)")


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the memory, of the machine or of its GPU, did not suffice."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in _NO_MEMORY)


class OutOfMemory(MachineGaveOut):
    """The memory did not suffice for a part of a batch. The weights are whole: nothing was updated by it."""


def first_line(error: BaseException) -> str:
    """What it says, in one line and without the full stop; its name where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
