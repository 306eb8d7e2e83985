"""Wire formats for dataset files: pure functions, one file each, listed in `known.py`."""

from tuneport.formats.format import Format, Notices, Written
from tuneport.formats.known import FORMATS, named, recognise

__all__ = ["FORMATS", "Format", "Notices", "Written", "named", "recognise"]
