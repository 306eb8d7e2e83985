"""Pictures as a model gets them: tokens in their places in the text, and numbers beside it, both by the model family's own processor.

What the processor writes for a picture is never learned: pieces with pictures and pieces that are learned are tokenised apart, as
`rendering` does it with words.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tuneport.errors import UnknownModel, UsageError
from tuneport.examples import ImagePart, Message
from tuneport.files import write_bytes
from tuneport.formats.format import BadRow
from tuneport_local.bases.seeing import sees
from tuneport_local.quiet import quiet
from tuneport_local.rows.pictures import bytes_of, held, opened
from tuneport_local.rows.rendering import RenderedRow

_OF_TEXT = frozenset({"input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids"})


class Album:
    """The pictures of some rows by the sha256 of their bytes: in a folder, or in memory where there is none."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._held: dict[str, bytes] = {}

    def add(self, url: str) -> str:
        """The digest of a picture, which is opened once to see that it can be. Raises UsageError."""
        try:
            data = bytes_of(held(url, folder=Path.cwd()))
            digest = hashlib.sha256(data).hexdigest()
            if not self._has(digest):
                opened(data)
                self._keep(digest, data)
        except BadRow as error:
            raise UsageError(str(error)) from None
        return digest

    def picture(self, digest: str) -> Any:
        """As Pillow has it."""
        return opened(self._held[digest] if self._folder is None else (self._folder / digest).read_bytes())

    def _has(self, digest: str) -> bool:
        return digest in self._held if self._folder is None else (self._folder / digest).is_file()

    def _keep(self, digest: str, data: bytes) -> None:
        if self._folder is None:
            self._held[digest] = data
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        write_bytes(self._folder / digest, data)


class Eyes:
    """One model's processor over an album."""

    def __init__(self, processor: Any, album: Album) -> None:
        self.processor = processor
        self._album = album
        self.mark = str(processor.image_token)

    def look(self, messages: Sequence[Message]) -> tuple[str, ...]:
        """The pictures of a conversation in their order, put into the album. Raises UsageError."""
        parts = [part for message in messages if isinstance(message.content, tuple) for part in message.content]
        return tuple(self._album.add(part.url) for part in parts if isinstance(part, ImagePart))

    def tokens(self, text: str, pictures: Sequence[str]) -> list[int]:
        """The tokens of a rendered text with a mark for each picture. Raises UsageError where there are more or fewer marks."""
        marks = text.count(self.mark)
        if marks != len(pictures):
            raise UsageError(
                f"the model's chat template shows {marks} of the {len(pictures)} pictures of the conversation.",
                remedy="Choose another base model, or simplify the row.",
            )
        if not pictures:
            return list(self.processor.tokenizer(text, add_special_tokens=False).input_ids)
        return list(self._processed(text, pictures)["input_ids"][0])

    def row(self, pieces: Sequence[str], pictures: Sequence[str], *, line: int) -> RenderedRow:
        """The row of pieces of a rendered text, of which every second one is learned and shows no picture. Raises UsageError."""
        left = iter(pictures)
        encoded = [self.tokens(piece, list(itertools.islice(left, piece.count(self.mark)))) if piece else [] for piece in pieces]
        ids = tuple(itertools.chain.from_iterable(encoded))
        learned = tuple(itertools.chain.from_iterable([place % 2 == 1] * len(piece) for place, piece in enumerate(encoded)))
        shown = [place for place, token in enumerate(ids) if token in self._shown]
        whole, tokenizer = self._processed("".join(pieces), pictures)["input_ids"][0], self.processor.tokenizer
        if tokenizer.decode(list(ids)) != tokenizer.decode(list(whole)) or any(learned[place] for place in shown):
            raise UsageError(
                "the model's processor does not show where the assistant's words begin, so nothing can be trained on this row.",
                remedy="Choose another base model.",
            )
        return RenderedRow(ids, learned, line, pictures=tuple(pictures), pictures_end=shown[-1] + 1)

    def inputs(self, pictures: Sequence[str], *, dtype: Any) -> dict[str, Any]:
        """What the model gets of the pictures of a batch beside its tokens, in their order; nothing for none."""
        if not pictures:
            return {}
        found = self._processed(self.mark * len(pictures), pictures, return_tensors="pt")
        return {name: value.to(dtype) if value.is_floating_point() else value for name, value in found.items() if name not in _OF_TEXT}

    def kinds(self, ids: Any) -> dict[str, Any]:
        """What models of some families want to know of each token: whether it stands for a picture. ids: (rows, tokens)."""
        import torch

        if "token_type_ids" not in self.processor.model_input_names:
            return {}
        return {"token_type_ids": torch.isin(ids, torch.tensor(sorted(self._shown), device=ids.device)).long()}

    @property
    def _shown(self) -> frozenset[int]:
        return frozenset(int(token) for token in self.processor.image_token_ids if token is not None)

    def _processed(self, text: str, pictures: Sequence[str], **more: Any) -> Mapping[str, Any]:
        opened_pictures = [self._album.picture(digest) for digest in pictures]
        try:
            found: Mapping[str, Any] = self.processor(text=[text], images=[opened_pictures], add_special_tokens=False, **more)
        except (ValueError, TypeError, IndexError, RuntimeError) as error:  # whatever a family's processor makes of an odd picture
            raise UsageError(f"the model's processor does not take the pictures of the row: {type(error).__name__}.") from None
        return found


def processor_of(folder: Path) -> Any:
    """The processor in the folder of a base that sees, None for any other. Raises UnknownModel when transformers cannot read it."""
    if not sees(folder):
        return None
    from transformers import AutoProcessor

    try:
        with quiet():
            processor: Any = AutoProcessor.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # transformers, tokenizers and the system each raise their own
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        raise UnknownModel(f"transformers cannot load the processor in {folder}: {reason}") from None
    return processor


def language_targets(model: Any, targets: str | Sequence[str]) -> str | list[str]:
    """What of the model gets adapters. 'all-linear' of a model that sees is the linear layers of its language part: the tower that sees and
    what joins the two stay as they were trained, as they are in most fine-tunes; names that a recipe gives are taken as they are."""
    language = _language_part(model)
    if targets != "all-linear" or not language:
        return targets if isinstance(targets, str) else list(targets)
    import torch

    linear = {
        name.rpartition(".")[2]
        for name, module in model.named_modules()
        if name.startswith(language) and isinstance(module, torch.nn.Linear)
    }
    return rf"{language.replace('.', chr(92) + '.')}.*\.({'|'.join(sorted(linear))})"


def _language_part(model: Any) -> str:
    """The beginning of the names of its modules; '' for a model that does not see."""
    if not hasattr(model.config, "vision_config"):
        return ""
    embeddings = model.get_input_embeddings()
    name: str = next(name for name, module in model.named_modules() if module is embeddings)
    return name.rpartition(".")[0] + "."
