"""What every provider's emulator is built from: a loopback server with strict reading, pages, a clock, blobs on disk, faults and a log.

A provider supplies routes and a `Vendor` (who may come in, and how errors are spelled); the toolkit does the rest. Standard library only:
importing this loads neither pytest nor an SDK. The emulator knows nothing of Tuneport's providers, and they know nothing of it: what
both have in common is the vendor's documentation.
"""

from __future__ import annotations

from tuneport.testing.emulator.answers import Answer, Refusal, json_answer
from tuneport.testing.emulator.blobs import Blob, BlobStore
from tuneport.testing.emulator.clocks import RunningClock, SteppedClock, Timepiece
from tuneport.testing.emulator.faultplan import FaultPlan
from tuneport.testing.emulator.faults import Fault
from tuneport.testing.emulator.keys import Account, KeyRing
from tuneport.testing.emulator.paging import Page, UnknownCursor, cursor_page, visible
from tuneport.testing.emulator.platform import EmulatedPlatform
from tuneport.testing.emulator.request import Form, FormFile, Request
from tuneport.testing.emulator.requestlog import Entry, RequestLog
from tuneport.testing.emulator.routing import Route, Routes
from tuneport.testing.emulator.server import EmulatorServer, Vendor
from tuneport.testing.emulator.strictness import Fields, Problem, strict_json

__all__ = [
    "Account",
    "Answer",
    "Blob",
    "BlobStore",
    "EmulatedPlatform",
    "EmulatorServer",
    "Entry",
    "Fault",
    "FaultPlan",
    "Fields",
    "Form",
    "FormFile",
    "KeyRing",
    "Page",
    "Problem",
    "Refusal",
    "Request",
    "RequestLog",
    "Route",
    "Routes",
    "RunningClock",
    "SteppedClock",
    "Timepiece",
    "UnknownCursor",
    "Vendor",
    "cursor_page",
    "json_answer",
    "strict_json",
    "visible",
]
