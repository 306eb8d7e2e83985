"""Wire formats for rows: pure functions, one file each, listed in `known.py`."""

from tuneport.formats.format import Block, Format, Notices
from tuneport.formats.known import FORMATS, named, recognise

__all__ = ["FORMATS", "Block", "Format", "Notices", "named", "recognise"]
