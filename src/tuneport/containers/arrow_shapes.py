"""Which Arrow columns rows of JSON need, found out by looking at all of them, and the rows as such columns.

Arrow wants one type a column, JSON does not. Where values differ too much for one (a text here and a list there, an object without keys, a
null that was said, nesting deeper than messages have), that place is held as JSON text under Arrow's own type for it, `arrow.json`, which
`datasets` and this reader turn back into the value. A whole number among fractions becomes a fraction; a null as the value of a column is
the same as none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tuneport.containers.container import Batch
from tuneport.formats.format import BadRow

if TYPE_CHECKING:
    import pyarrow as pa

MAX_DEPTH = 4
"""As deep as the innermost object of a message, that of an image or a tool call, lies. Objects and lists below it belong to JSON schemas
and arguments, whose keys are anybody's."""

MAX_KEYS = 64
_EXACT_IN_A_FLOAT = 1 << 53
_INT64 = 1 << 63
_encode = msgspec.json.Encoder().encode
_REFUSED = (UnicodeError, ValueError, TypeError, OverflowError, NotImplementedError)
"""Arrow's own errors are of these too."""

_KINDS: dict[type, str] = {str: "string", bool: "bool", int: "int64", float: "double", list: "list", tuple: "list", dict: "struct"}


class Shape:
    """What one place in the rows holds: a kind of `_KINDS`, "json", or "" while nothing was seen."""

    __slots__ = ("depth", "item", "keys", "kind", "large", "packs")

    def __init__(self, depth: int = 0) -> None:
        self.depth = depth
        self.kind = ""
        self.large = False
        self.packs = False
        """Whether any place in it is held as JSON text; true of none before `settle`."""
        self.item: Shape | None = None
        self.keys: dict[str, Shape] = {}

    def see(self, value: Any) -> None:
        """Widens the shape until it holds `value`."""
        kind = _KINDS.get(value.__class__, "json")
        if self.kind != kind:
            self.kind = kind = self._widened(kind)
        if kind == "struct":
            self._see_object(value)
        elif kind == "list":
            if self.item is None:
                self.item = Shape(self.depth + 1)
            for each in value:
                if each is not None:
                    self.item.see(each)
        elif kind in ("int64", "double"):
            self._see_number(value)

    def _widened(self, kind: str) -> str:
        before = self.kind
        if {before, kind} == {"int64", "double"}:
            return "json" if self.large else "double"
        return "json" if before else kind

    def _see_object(self, value: Mapping[str, Any]) -> None:
        for key, each in value.items():
            if each is None or (self.depth == MAX_DEPTH and each.__class__ in (dict, list)):
                self.kind = "json"
                return
            shape = self.keys.get(key)
            if shape is None:
                shape = self.keys[key] = Shape(self.depth + 1)
            shape.see(each)
        if not value or len(self.keys) > MAX_KEYS:
            self.kind = "json"

    def _see_number(self, value: Any) -> None:
        if value.__class__ is int and not -_EXACT_IN_A_FLOAT <= value <= _EXACT_IN_A_FLOAT:
            self.large = True
            if self.kind == "double" or not -_INT64 <= value < _INT64:
                self.kind = "json"

    def settle(self) -> bool:
        """To be called when all values were seen: whether any place is held as JSON text."""
        inner = [shape.settle() for shape in (*self.keys.values(), *([self.item] if self.item else []))]
        self.packs = self.kind == "json" or any(inner)
        return self.packs

    def arrow_type(self, json: pa.DataType) -> pa.DataType:
        """The Arrow type, with `json` for the places held as JSON text."""
        import pyarrow as pa

        if self.kind == "json":
            return json
        if self.kind == "list":
            return pa.list_((self.item or Shape()).arrow_type(json))
        if self.kind == "struct":
            return pa.struct([(key, shape.arrow_type(json)) for key, shape in self.keys.items()])
        return pa.type_for_alias(self.kind or "string")

    def packed(self, value: Any) -> Any:
        """`value` with the places held as JSON text encoded."""
        if not self.packs or value is None:
            return value
        if self.kind == "json":
            return _encode(value).decode()
        if self.item is not None:
            return [self.item.packed(each) for each in value]
        return {key: self.keys[key].packed(each) for key, each in value.items()}


class Columns:
    """The columns of rows: first `see` all of them, then ask for `schema` and `batch`."""

    def __init__(self) -> None:
        self._shapes: dict[str, Shape] = {}

    def see(self, batch: Batch) -> None:
        for row in batch:
            for key, value in plain(row).items():
                shape = self._shapes.get(key)
                if shape is None:
                    shape = self._shapes[key] = Shape()
                if value is not None:
                    shape.see(value)

    def schema(self) -> pa.Schema:
        import pyarrow as pa

        for shape in self._shapes.values():
            shape.settle()
        return self._typed(pa.json_())

    def _typed(self, json: pa.DataType) -> pa.Schema:
        import pyarrow as pa

        return pa.schema([(name, shape.arrow_type(json)) for name, shape in self._shapes.items()])

    def table(self, rows: Batch, schema: pa.Schema) -> pa.Table:
        """The rows in columns. Raises BadRow for one that Arrow does not take: half a surrogate pair in it."""
        import pyarrow as pa

        if not self._shapes:
            raise BadRow("the row has no keys, and Arrow has no rows without columns.")
        stored = self._typed(pa.string())
        packed = [self._packed(row) for row in rows]
        try:
            return pa.Table.from_pylist(packed, schema=stored).cast(schema)
        except _REFUSED as error:
            sentence = f"the row cannot be held by Arrow: {error.__class__.__name__}."
            raise BadRow(sentence, place=_first_refused(packed, stored)) from None

    def _packed(self, row: Any) -> dict[str, Any]:
        return {key: self._shapes[key].packed(value) for key, value in plain(row).items()}


def plain(row: Any) -> Mapping[str, Any]:
    """The row as JSON has it."""
    values: Mapping[str, Any] = msgspec.to_builtins(row)
    return values


def _first_refused(rows: Sequence[dict[str, Any]], schema: pa.Schema) -> int:
    import pyarrow as pa

    for place, row in enumerate(rows):
        try:
            pa.Table.from_pylist([row], schema=schema)
        except _REFUSED:
            return place
    return 0
