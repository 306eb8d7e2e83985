"""Proving that a ported model is as good as the old one: the same rows, a paired interval, a verdict in words, a page to sign.

Importing this loads numpy: whoever starts fast imports it inside the function that needs it.
"""

from tuneport.parity.compare import compare
from tuneport.parity.compared import Compared
from tuneport.parity.page import page
from tuneport.parity.report import About, Report, RequestCost, Side, prove
from tuneport.parity.rows import ParityRow, Said, answered, archived_rows, rows_of
from tuneport.parity.text import text, to_dict
from tuneport.parity.verdict import MARGIN_POINTS, Verdict, decide

__all__ = [
    "MARGIN_POINTS",
    "About",
    "Compared",
    "ParityRow",
    "Report",
    "RequestCost",
    "Said",
    "Side",
    "Verdict",
    "answered",
    "archived_rows",
    "compare",
    "decide",
    "page",
    "prove",
    "rows_of",
    "text",
    "to_dict",
]
