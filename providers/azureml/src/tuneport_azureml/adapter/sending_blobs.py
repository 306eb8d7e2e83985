"""A blob sent whole, or block by block: of one that broke off what arrived is not sent again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING

from tuneport_azureml.adapter.stores import BLOCK_BYTES, Headers, Opened

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient


def send(there: Opened, path: str, chunks: Iterable[bytes], *, size_bytes: int, once: bool = False) -> None:
    """Puts the blob in place of the one before; `once`: one that is there already is the same, and stays."""
    from azure.core.exceptions import ResourceExistsError

    blob, signed, blocks = there.blob(path), there.signed(), blocks_of(chunks)
    if size_bytes <= BLOCK_BYTES:
        with suppress(ResourceExistsError) if once else nullcontext():
            blob.upload_blob(b"".join(blocks), overwrite=not once, **signed)
        return
    whole, staged = _there(blob, signed)
    if whole and once:
        return
    ids = []
    for number, block in enumerate(blocks):
        block_id = f"{number:06d}-{hashlib.sha256(block).hexdigest()[:32]}"
        if block_id not in staged:
            blob.stage_block(block_id, block, **signed)
        ids.append(block_id)
    blob.commit_block_list(ids, **signed)


def blocks_of(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes in blocks of one size, the last one shorter."""
    kept = bytearray()
    for chunk in chunks:
        kept += chunk
        while len(kept) >= BLOCK_BYTES:
            yield bytes(kept[:BLOCK_BYTES])
            del kept[:BLOCK_BYTES]
    if kept:
        yield bytes(kept)


def _there(blob: BlobClient, signed: Headers) -> tuple[bool, frozenset[str]]:
    """Whether there is such a blob, and the blocks that arrived earlier and belong to none yet."""
    from azure.core.exceptions import ResourceNotFoundError

    with suppress(ResourceNotFoundError):
        whole, staged = blob.get_block_list("all", **signed)
        return bool(whole), frozenset(str(block.id) for block in staged)
    return False, frozenset()
