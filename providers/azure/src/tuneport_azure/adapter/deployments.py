"""Looking at the deployments of one resource, in the management plane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any
from urllib.parse import quote

from tuneport.catalogue import catalogue
from tuneport.errors import NotFound, Refused, TuneportError, Unreachable
from tuneport.model import Deployment
from tuneport.redaction import warn
from tuneport_azure.adapter import hosting
from tuneport_azure.adapter.management import Management, Row, one
from tuneport_azure.adapter.usage import LastUse, last_uses, use_of
from tuneport_azure.errors import WHERE, translated
from tuneport_azure.wire import ids
from tuneport_azure.wire.deployments import Standing, account_in, base_of, deployment_id, operation_failure, standing_of
from tuneport_azure.wire.skus import sku_of


class Deployments:
    """The deployments of one resource. `operations` are the addresses at which those tell of themselves that this process has begun."""

    def __init__(self, management: Management) -> None:
        self.management = management
        self.resource = management.resource
        self.clock = management.clock
        self.operations: dict[str, str] = {}

    # --- names -----------------------------------------------------------------------------------------------------------------------

    def name(self, given: str) -> str:
        """The name in `RESOURCE/deployments/NAME`, or as it is. Raises NotFound for one of another resource."""
        bare = ids.bare(self.resource.resource, given, profile=self.resource.name)
        return bare.removeprefix(f"{ids.DEPLOYMENTS}/")

    def id(self, name: str) -> str:
        """`RESOURCE/deployments/NAME`."""
        return deployment_id(self.resource.resource, name)

    def uri(self, name: str) -> str:
        """With the profile in front."""
        return f"{self.resource.name}:{self.id(name)}"

    def model_id(self, bare: str, *, source: str | None) -> str:
        """The public id of a model that was trained here, or in another account."""
        return ids.public(account_in(source) if source else self.resource.resource, bare)

    @property
    def look_again(self) -> str:
        """The command that shows them."""
        return f"tuneport models deployments --provider {self.resource.name}"

    # --- looking ---------------------------------------------------------------------------------------------------------------------

    def standing(self) -> list[Standing]:
        """All that stand, also those of bases. A row that cannot be read hides no other."""
        at = self.management.account
        rows = self.management.rows("listing deployments", lambda client: client.deployments.list, at.group, at.name)
        return [standing for row in rows if (standing := self._readable(row)) is not None]

    def _readable(self, row: Row) -> Standing | None:
        try:
            return standing_of(row)
        except ValueError as error:
            warn(f"{self.resource.name}: {str(row.get('name'))[:80]!r} in the list of deployments is left out: {error}.")
            return None

    def look(self, name: str) -> Standing:
        """One by its name. Raises NotFound."""
        at = self.management.account
        doing = f"looking at the deployment {name}"
        try:
            row = self.management.read(doing, lambda client: one(client.deployments.get, at.group, at.name, quote(name, safe="")))
        except NotFound as error:
            raise NotFound(
                f"{self.resource.name}: there is no deployment {name} on {self.resource.resource}: {error.message}",
                reason=error.reason,
                remedy=f"See: {self.look_again}. {error.remedy}".rstrip(),
            ) from None
        return _standing(row)

    def listed(self) -> Sequence[Deployment]:
        """Those of tuned models, the youngest first, each with when it was last asked."""
        tuned = sorted((each for each in self.standing() if each.tuned), key=lambda each: str(each.created_at), reverse=True)
        uses = last_uses(self.management) if tuned else {}
        return [self.deployment(each, use_of(each.name, uses)) for each in tuned]

    def get(self, given: str) -> Deployment:
        """One as it is now; when it was last asked, if it answers. Raises NotFound."""
        found = self.look(self.name(given))
        uses: Mapping[str, LastUse] | str = last_uses(self.management) if found.tuned and found.phase == "ready" else {}
        return self.deployment(found, use_of(found.name, uses))

    # --- for those who ask -----------------------------------------------------------------------------------------------------------

    def deployment(self, standing: Standing, use: LastUse) -> Deployment:
        """With what is known of its use, its end and its failure."""
        if standing.phase == "failed" and not standing.reason:
            standing = replace(standing, reason=self._why_failed(standing))
        return Deployment(
            uri=self.uri(standing.name),
            provider=self.resource.name,
            id=self.id(standing.name),
            model=self.model_id(standing.model, source=standing.source),
            state=standing.state,
            phase=standing.phase,
            reason=standing.reason,
            created_at=standing.created_at,
            last_used_at=use.at,
            removed_at=hosting.removed_at(standing, use),
            details={key: value for key, value in self._details(standing, use).items() if value is not None},
        )

    def _details(self, standing: Standing, use: LastUse) -> Mapping[str, Any]:
        known = {"type": standing.sku or None, "capacity": standing.capacity, "source": standing.source}
        if not standing.tuned:
            return known
        never = "not since it was made" if use.at is None and standing.phase == "ready" else None
        idle_days = hosting.idle_days(standing, use, now=self.clock.now())
        return {**known, "last_use": use.unknown or never, "idle_days": idle_days, "shutdown_date": self._last_day(standing)}

    def models(self) -> list[Row]:
        """What the account can deploy; nothing where it does not say. Raises NotFound where there is no such account."""
        try:
            return self._models
        except NotFound as error:
            raise NotFound(f"{self.resource.name}: {error.message}", reason=error.reason, remedy=WHERE) from None
        except (Refused, Unreachable):
            return []

    @cached_property
    def _models(self) -> list[Row]:
        at = self.management.account
        return self.management.rows("listing the models of the account", lambda client: client.accounts.list_models, at.group, at.name)

    def _last_day(self, standing: Standing) -> str | None:
        """Of a tuned model's deployments: as the account's list of models says, else as the catalogue."""
        base = base_of(standing.model)
        if base is None:
            return None
        sku = sku_of(self.models(), base=base, name=standing.sku)
        known = catalogue().find(base, provider="azure")
        day = sku.ends if sku and sku.ends else known.serving_ends if known and "serving" not in known.earliest else None
        return day.isoformat() if day else None

    def _why_failed(self, standing: Standing) -> str:
        """From the operation that made it, where this process began it: the deployment itself has no place for it."""
        address = self.operations.get(standing.name)
        try:
            reason = operation_failure(self.management.get("asking why a deployment failed", address)) if address else ""
        except TuneportError:
            reason = ""
        return reason or f"Azure does not say why it is {standing.state}; its activity log in the portal may."


def _standing(row: Row) -> Standing:
    try:
        return standing_of(row)
    except ValueError as error:
        raise translated(error, doing="looking at a deployment") from None
