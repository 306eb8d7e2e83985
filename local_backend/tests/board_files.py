"""What a reader of TensorBoard's files finds in a folder."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tensorboardX.proto.event_pb2 import Event
from tensorboardX.record_writer import masked_crc32c


def events(folder: Path) -> Iterator[Any]:
    """The whole records of all files there, oldest file first; their checksums are right."""
    for path in sorted(folder.glob("*tfevents*")):
        data, place = path.read_bytes(), 0
        while place + 16 <= len(data):
            (size,) = struct.unpack_from("<Q", data, place)
            if place + 16 + size > len(data):
                break
            record = data[place + 12 : place + 12 + size]
            assert struct.unpack_from("<I", data, place + 8)[0] == masked_crc32c(data[place : place + 8])
            assert struct.unpack_from("<I", data, place + 12 + size)[0] == masked_crc32c(record)
            yield Event.FromString(record)
            place += 16 + size


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """(step, value) of every tag, in order of the file."""
    found: dict[str, list[tuple[int, float]]] = {}
    for event in events(folder):
        for value in event.summary.value:
            if value.WhichOneof("value") == "simple_value":
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


def settings(folder: Path) -> dict[str, Any]:
    """The settings that TensorBoard's page of hyperparameters shows, and under `ended` whether the run has ended."""
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

    found: dict[str, Any] = {}
    for event in events(folder):
        for value in event.summary.value:
            if value.metadata.plugin_data.plugin_name == "hparams":
                said = HParamsPluginData.FromString(value.metadata.plugin_data.content)
                found |= {name: each.string_value or each.number_value for name, each in said.session_start_info.hparams.items()}
                found |= {"ended": True} if said.WhichOneof("data") == "session_end_info" else {}
    return found
