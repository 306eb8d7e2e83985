"""Carrying a tune from one provider to another, and proving that the copy is as good."""

from tuneport.porting.wishes import Consent, Told, Wishes, agreeing

__all__ = ["Consent", "Told", "Wishes", "agreeing"]
