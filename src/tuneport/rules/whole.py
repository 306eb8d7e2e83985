"""Rules about a file as a whole: how much it is, and what is known of where it goes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tuneport.limits import Target
from tuneport.rules.rule import Rule

FEW_ROWS = 10

Found = Iterator[str]


@dataclass(slots=True)
class Amount:
    """How much a file is. `size_bytes` is None where rows are not the whole of a file; wanted, unwanted count KTO's rows; `paired` where
    there are rows to train on and to test on."""

    rows: int = 0
    unreadable: int = 0
    size_bytes: int | None = None
    bom: bool | None = None
    image_rows: int = 0
    wanted: int = 0
    unwanted: int = 0
    paired: bool = False


def limits_known(amount: Amount, target: Target) -> Found:
    if target.unknown:
        yield target.unknown


def rows_there(amount: Amount, target: Target) -> Found:
    if amount.rows == 0:
        yield "there are no rows." if amount.unreadable == 0 else f"none of the {amount.unreadable} rows can be read."


def rows_enough(amount: Amount, target: Target) -> Found:
    if 0 < amount.rows < target.limits.min_rows:
        yield f"there are {amount.rows} rows; at least {target.limits.min_rows} are needed."


def rows_not_few(amount: Amount, target: Target) -> Found:
    if target.limits.min_rows <= amount.rows < FEW_ROWS:
        yield f"there are only {amount.rows} rows, too few to learn much from."


def rows_not_too_many(amount: Amount, target: Target) -> Found:
    most = target.limits.max_rows
    if most is not None and amount.rows > most:
        yield f"there are {amount.rows} rows; at most {most} are taken."


def file_not_too_big(amount: Amount, target: Target) -> Found:
    most = target.limits.max_file_bytes
    if most is not None and (amount.size_bytes or 0) > most:
        yield f"the file has {amount.size_bytes} bytes; at most {most} are taken."


def byte_order_marked(amount: Amount, target: Target) -> Found:
    if target.limits.bom and amount.bom is False:
        yield f"the file does not begin with a byte order mark, which {target.provider}'s documentation asks for."


def image_rows_not_too_many(amount: Amount, target: Target) -> Found:
    most = target.limits.max_image_rows
    if most is not None and amount.image_rows > most:
        yield f"{amount.image_rows} rows have images; at most {most} are taken."


def both_wishes(amount: Amount, target: Target) -> Found:
    if target.method == "kto" and amount.rows and (amount.wanted == 0) != (amount.unwanted == 0):
        yield f"no answer is {'a wanted' if amount.wanted == 0 else 'an unwanted'} one; KTO learns from the difference."


def test_rows_there(amount: Amount, target: Target) -> Found:
    if target.limits.test_required and not amount.paired:
        yield f"{target.model or target.provider} takes method {target.method} only with rows to test on, and none are named."


RULES = (
    Rule("row-readable", "error", "Every row can be read in the file's format, and no object in it has a key twice."),
    Rule("key-known", "warning", "Keys that Tuneport has no place for are not carried on.", "Remove the key, or accept its loss."),
    Rule("limits-known", "warning", "The provider's limits for the model and the method are known.", "Look them up at the provider."),
    Rule("rows-there", "error", "There is at least one row."),
    Rule("rows-enough", "error", "There are as many rows as the provider asks for.", "Add rows."),
    Rule("rows-not-few", "warning", f"Fewer than {FEW_ROWS} rows teach little.", "Add rows."),
    Rule("rows-not-too-many", "error", "There are no more rows than the provider takes.", "Leave rows out."),
    Rule("file-not-too-big", "error", "The file is no larger than the provider takes.", "Leave rows out."),
    Rule("byte-order-marked", "warning", "The file begins with a byte order mark where that is asked for.", "Convert it for the provider."),
    Rule("image-rows", "error", "No more rows have images than the provider takes.", "Leave some out."),
    Rule("wishes-differ", "error", "For KTO some answers are wanted and some are not.", "Add rows of the other kind."),
    Rule(
        "test-there",
        "warning",
        "Rows to test on are there where the provider requires them.",
        "Check them beside these: data check TEST --train FILE.",
    ),
    Rule("tokens-not-too-many", "error", "No row has more tokens than the model learns from.", "Shorten or divide the row."),
    Rule("row-fits-method", "error", "The row is of a kind that the method learns from, or can be turned into one."),
)
LOOKS = {
    "limits-known": limits_known,
    "rows-there": rows_there,
    "rows-enough": rows_enough,
    "rows-not-few": rows_not_few,
    "rows-not-too-many": rows_not_too_many,
    "file-not-too-big": file_not_too_big,
    "byte-order-marked": byte_order_marked,
    "image-rows": image_rows_not_too_many,
    "wishes-differ": both_wishes,
    "test-there": test_rows_there,
}
"""What looks at a whole file, by rule."""
