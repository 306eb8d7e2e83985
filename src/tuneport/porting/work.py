"""What every step of a port works with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneport.last_days import vendor_of
from tuneport.porting.asking import Asker
from tuneport.porting.destinations import Destination, destination_of, destinations
from tuneport.porting.journal import Journal
from tuneport.porting.wishes import Confirm, Consent, Follow, Hear, Tell, Told, Wishes, tell_nobody

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from tuneport.client import Client
    from tuneport.model import Deployment, Model


@dataclass(frozen=True, slots=True)
class Work:
    """One port: through whom, where it is written down, what is wanted, and whom to ask and to tell."""

    client: Client
    journal: Journal
    wishes: Wishes
    confirm: Confirm
    hear: Hear
    follow: Follow
    tell: Tell = tell_nobody

    @property
    def folder(self) -> Path:
        """Of the port."""
        return self.journal.folder

    def say(self, step: str, *lines: str, facts: Mapping[str, Any] | None = None) -> None:
        """Tells what a step did or found."""
        self.hear(Told(step, tuple(line for line in lines if line), facts or {}))

    def agree(self, consent: Consent) -> None:
        """Asks once: a yes is kept in the journal, and asked for anew when the sentence is another one. A deployment that has gone since is
        asked for again: it costs again."""
        if consent.what == "deploy":
            self.confirm(consent)
        elif self.journal.agreed(consent.what) != consent.sentence:
            self.confirm(consent)
            self.journal.agree(consent.what, consent.sentence)

    def asker(self, who: str, target: Callable[[], Model | Deployment]) -> Asker:
        """Who asks that model here, keeps the answers in this port's folder, and tells of each."""
        return Asker(target, self.client.server, self.folder / "answers", self.client.clock, lambda done, rows: self.tell(who, done, rows))

    def destination(self, provider: str, base: str | None = None) -> Destination | None:
        """What a provider or profile can be told about training that base, where that is known."""
        return destination_of(self.vendor(provider, destinations()) or "", base)

    def vendor(self, provider: str, known: Collection[str]) -> str | None:
        """Whose facts hold at a provider or profile."""
        return vendor_of(provider, profiles=self.client.settings.providers, known=known)
