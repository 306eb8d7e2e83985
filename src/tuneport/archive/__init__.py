"""Archives: for every tune a folder that outlives its provider, and can be read without Tuneport."""

from tuneport.archive.answers import Asking
from tuneport.archive.bundle import Bundle
from tuneport.archive.pieces import Archived, Origins, archive_job
from tuneport.archive.verify import Fault, Verified, verify

__all__ = ["Archived", "Asking", "Bundle", "Fault", "Origins", "Verified", "archive_job", "verify"]
