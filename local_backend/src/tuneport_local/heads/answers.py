"""Models with a head of their own in memory: asked for many rows at a time, they answer each with a label or a score."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from tuneport.errors import DatasetError, UnknownModel
from tuneport.examples import Example
from tuneport.formats.format import BadRow
from tuneport.model import Model, Prediction
from tuneport_local.bases import weights
from tuneport_local.heads.head import REWARD, Head, Medium, head_in
from tuneport_local.heads.labelled_rows import as_text, asked
from tuneport_local.machine import hardware
from tuneport_local.rows.pairs import scored
from tuneport_local.rows.rendering import Template, render

_KEPT = 2
"""Models in memory at once: what a comparison needs."""
_TOKENS_AT_ONCE = 4096
_PICTURES_AT_ONCE = 32
_ROWS_READ = 1024
"""Rows that are ordered by length before they are answered."""


@dataclass(frozen=True, slots=True)
class _Headed:
    """A model ready to answer. `reader` is its tokenizer or image processor; `most` how many tokens it sees."""

    network: Any
    reader: Any
    template: Template | None
    head: Head
    machine: hardware.Hardware
    most: int


@dataclass(frozen=True, slots=True)
class _Asked:
    """A row as the model gets it: the tokens of a text, `cut` to as many as the model sees, or the bytes of a picture."""

    tokens: tuple[int, ...] = ()
    picture: bytes = b""
    cut: bool = False


class HeadAnswers:
    """Loads what is asked for and keeps it."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._kept: dict[str, _Headed] = {}

    def predict(self, model: Model, rows: Iterable[Example]) -> Iterator[Prediction]:
        """One answer per row, in order. Raises DatasetError for a row that is no text or no image."""
        loaded, waiting, first = self._loaded(model), iter(rows), 1
        while chunk := list(islice(waiting, _ROWS_READ)):
            inputs = [_asked(row, loaded, number) for number, row in enumerate(chunk, first)]
            first += len(chunk)
            yield from _answered(loaded, inputs)

    def _loaded(self, model: Model) -> _Headed:
        found = self._kept.pop(model.id, None) or _load(model, self._home)
        self._kept[model.id] = found
        for forgotten in list(self._kept)[:-_KEPT]:
            del self._kept[forgotten]
        return found


def _load(model: Model, home: Path) -> _Headed:
    from tuneport_local.bases.loading import load_adapter, load_config, load_tokenizer
    from tuneport_local.heads.loading import load_headed, load_processor
    from tuneport_local.jobs.trained import is_adapter

    path = Path(model.path or "")
    head, trusted = head_in(path), bool(model.details.get("trust_remote_code", False))
    if head is None:
        raise UnknownModel(f"{model.uri} has no head of its own.")
    adapter = is_adapter(path)
    folder = Path(weights.fetch(weights.resolve(model.base or model.id, home=home), home=home).location) if adapter else path
    text = head.medium == "text"
    reader = (load_tokenizer if text else load_processor)(folder, trust_remote_code=trusted)
    machine = _machine()
    headed = load_headed(
        folder,
        head,
        dtype=machine.precision if adapter else "fp32",
        device=machine.device,
        padding=reader.pad_token_id if text else None,
        trained=not adapter,
        trust_remote_code=trusted,
    )
    network = load_adapter(headed.model, path, device=machine.device, keeps_precision=True) if adapter else headed.model
    most = min(getattr(load_config(folder, trust_remote_code=trusted), "max_position_embeddings", None) or 1 << 20, _tokens(reader, text))
    return _Headed(network, reader, Template.of(reader) if text else None, head, machine, int(most))


def _machine() -> hardware.Hardware:
    """The best device. In half precision a probability depends a little on the rows beside its own, so that is for GPUs, where it pays."""
    best = hardware.choose(packs=False)
    return best if best.device.startswith("cuda") else hardware.choose(device=best.device, precision="fp32", packs=False)


def _tokens(reader: Any, text: bool) -> int:
    return min(int(reader.model_max_length), 1 << 20) if text else 0


def _asked(row: Example, loaded: _Headed, number: int) -> _Asked:
    from tuneport_local.rows.pictures import bytes_of

    try:
        if loaded.head.method == REWARD:
            return _cut(_conversation(row, loaded, number), loaded)
        text, image = asked(row)
        found: Medium = "text" if image is None else "image"
        if found != loaded.head.medium:
            raise BadRow(f"the row is {'a text' if found == 'text' else 'an image'}, and the model takes {loaded.head.medium}s.")
        if image is not None:
            return _Asked(picture=bytes_of(image))
        assert loaded.template is not None, "a model of texts has a tokenizer"
        return _cut(as_text(text or "", loaded.reader, template=loaded.template, line=number).input_ids, loaded)
    except BadRow as error:
        raise DatasetError(f"row {number}: {error}", line=number) from None


def _conversation(row: Example, loaded: _Headed, number: int) -> tuple[int, ...]:
    assert loaded.template is not None, "a model of texts has a tokenizer"
    return render(scored(row), loaded.reader, template=loaded.template, line=number).input_ids


def _cut(ids: tuple[int, ...], loaded: _Headed) -> _Asked:
    return _Asked(ids) if len(ids) <= loaded.most else _Asked((*ids[: loaded.most - 1], ids[-1]), cut=True)


def _answered(loaded: _Headed, inputs: Sequence[_Asked]) -> list[Prediction]:
    """Rows of like length together, so that little is padded; the answers in the rows' order. That of a text which was cut ends by its
    length."""
    found: list[Prediction | None] = [None] * len(inputs)
    for places in _together(inputs, text=loaded.head.medium == "text"):
        answers = _asked_once(loaded, [inputs[place] for place in places])
        for place, answer in zip(places, answers, strict=True):
            found[place] = replace(answer, finish="length") if inputs[place].cut else answer
    return [answer for answer in found if answer is not None]


def _together(inputs: Sequence[_Asked], *, text: bool) -> Iterator[list[int]]:
    """Places of rows that go through the model at once."""
    if not text:
        yield from (list(range(start, min(start + _PICTURES_AT_ONCE, len(inputs)))) for start in range(0, len(inputs), _PICTURES_AT_ONCE))
        return
    batch: list[int] = []
    for place in sorted(range(len(inputs)), key=lambda place: len(inputs[place].tokens)):
        if batch and (len(batch) + 1) * len(inputs[place].tokens) > _TOKENS_AT_ONCE:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def _asked_once(loaded: _Headed, inputs: Sequence[_Asked]) -> list[Prediction]:
    import torch

    from tuneport_local.heads.batches import padded, pixels
    from tuneport_local.heads.measures import predictions

    if loaded.head.medium == "text":
        batch = padded([each.tokens for each in inputs], padding=int(loaded.network.config.get_text_config().pad_token_id))
    else:
        batch = pixels([each.picture for each in inputs], processor=loaded.reader)
    device = torch.device(loaded.machine.device)
    with torch.inference_mode(), _computing(loaded.machine, device):
        outputs = loaded.network(**{name: value.to(device) for name, value in batch.items()}).logits
    return predictions(loaded.head, outputs.cpu(), tokens=[len(each.tokens) for each in inputs])


def _computing(machine: hardware.Hardware, device: Any) -> Any:
    """In the machine's precision, with what was learned kept in its own."""
    import torch

    from tuneport_local.bases.loading import torch_dtype

    return torch.autocast(device.type, dtype=torch_dtype(machine.precision), enabled=machine.autocast)
