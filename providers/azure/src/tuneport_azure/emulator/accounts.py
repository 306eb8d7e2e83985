"""Accounts on the management plane: what they are, which models their region offers, and how much of each quota is taken."""

from __future__ import annotations

from datetime import date
from typing import Any

from tuneport.testing.emulator import Answer, Request, json_answer
from tuneport_azure.emulator.arm import ACCOUNT, GROUP, LOCATION, PROVIDER, SUBSCRIPTION, ArmRoutes, account_of, error
from tuneport_azure.emulator.bases import DEVELOPER, GLOBAL, SKU_OF, STANDARD, AzureBase
from tuneport_azure.emulator.deployments import limit, used
from tuneport_azure.emulator.resources import Resource
from tuneport_azure.emulator.world import AzureWorld

CAPABILITY = {STANDARD: "fineTune", GLOBAL: "globalFineTune", DEVELOPER: "devTierFineTune"}
TUNED_TYPES = (STANDARD, GLOBAL, DEVELOPER)


class Accounts:
    """Serves accounts, their models and usages, and the same by location."""

    def __init__(self, world: AzureWorld, routes: ArmRoutes) -> None:
        self._world = world
        routes.add(f"GET {SUBSCRIPTION}/providers/{PROVIDER}/accounts", self.page, action="accounts/read")
        routes.add(f"GET {GROUP}", self.page, action="accounts/read")
        routes.add(f"GET {ACCOUNT}", self.retrieve, action="accounts/read")
        routes.add(f"POST {ACCOUNT}/listKeys", self.keys, action="accounts/listKeys/action", changes=False)
        routes.add(f"GET {ACCOUNT}/models", self.models, action="accounts/models/read")
        routes.add(f"GET {ACCOUNT}/usages", self.usages, action="accounts/usages/read")
        routes.add(f"GET {LOCATION}/models", self.models_there, action="locations/models/read")
        routes.add(f"GET {LOCATION}/usages", self.usages_there, action="locations/usages/read")
        routes.add(f"GET {SUBSCRIPTION}/providers/{PROVIDER}/modelCapacities", self.capacities, action="locations/modelCapacities/read")

    def page(self, request: Request) -> Answer:
        subscription, group = request.params["subscription"], request.params.get("group")
        there = [one for one in self._world.resources.values() if one.subscription == subscription and group in (None, one.group)]
        return json_answer({"value": [_account_json(one, request) for one in there]})

    def retrieve(self, request: Request) -> Answer:
        return json_answer(_account_json(account_of(request, self._world), request))

    def keys(self, request: Request) -> Answer:
        keys = account_of(request, self._world).keys
        return json_answer({"key1": keys[0], "key2": keys[-1]})

    def models(self, request: Request) -> Answer:
        location = account_of(request, self._world).location
        return json_answer({"value": [_model_json(base, location) for base in self._bases()]})

    def models_there(self, request: Request) -> Answer:
        location = request.params["location"]
        path = f"/subscriptions/{request.params['subscription']}/providers/{PROVIDER}/locations/{location}/models"
        listed = [
            {
                "id": f"{path}/OpenAI.{base.alias}.{base.version}",
                "name": f"OpenAI.{base.alias}.{base.version}",
                "location": location,
                "kind": kind,
                "skuName": "S0",
                "model": _model_json(base, location),
            }
            for base in self._bases()
            for kind in ("OpenAI", "AIServices")
        ]
        return json_answer({"value": listed})

    def usages(self, request: Request) -> Answer:
        return json_answer({"value": self._usages(account_of(request, self._world))})

    def usages_there(self, request: Request) -> Answer:
        return json_answer({"value": self._usages(self._neighbour(request.params["subscription"], request.params["location"]))})

    def capacities(self, request: Request) -> Answer:
        """What is free of each pool of one model's in all regions of the subscription's accounts."""
        asked = {name: value for name, value in request.query if name.startswith("model")}
        base = next((one for one in self._bases() if (one.alias, one.version) == (asked.get("modelName"), asked.get("modelVersion"))), None)
        if base is None:
            raise error(400, "InvalidModel", "The model of this name and version is not known.")
        subscription = request.params["subscription"]
        places = {one.location: one for one in self._world.resources.values() if one.subscription == subscription}
        return json_answer({"value": [self._capacity(base, kind, place) for place in places.values() for kind in TUNED_TYPES]})

    def _capacity(self, base: AzureBase, kind: str, place: Resource) -> dict[str, Any]:
        sku = SKU_OF[kind]
        free = {end: self._free(f"OpenAI.{sku}.{base.pool}{end}", place) for end in ("", "-finetune")}
        return {
            "name": sku,
            "location": place.location,
            "properties": {
                "model": {"format": base.format, "name": base.alias, "version": base.version},
                "skuName": sku,
                "availableCapacity": free[""],
                "availableFinetuneCapacity": free["-finetune"] if kind in base.training_types(place.location) else 0,
            },
        }

    def _free(self, pool: str, place: Resource) -> int:
        return limit(pool, self._world) - used(pool, place, self._world)

    def _bases(self) -> list[AzureBase]:
        return list({base.name: base for base in self._world.bases.values() if isinstance(base, AzureBase)}.values())

    def _usages(self, resource: Resource) -> list[dict[str, Any]]:
        pools = [f"OpenAI.{SKU_OF[kind]}.{base.pool}{end}" for base in self._bases() for kind in TUNED_TYPES for end in ("", "-finetune")]
        return [
            {
                "name": {"value": pool, "localizedValue": f"Tokens Per Minute (thousands) - {pool.removeprefix('OpenAI.')}"},
                "currentValue": used(pool, resource, self._world),
                "limit": limit(pool, self._world),
                "unit": "Count",
            }
            for pool in pools
        ]

    def _neighbour(self, subscription: str, location: str) -> Resource:
        """Any account there; where there is none, nothing is used."""
        there = (one for one in self._world.resources.values() if (one.subscription, one.location) == (subscription, location))
        return next(there, Resource("", location, subscription, "", []))


def _account_json(resource: Resource, request: Request) -> dict[str, Any]:
    endpoint = f"http://{request.headers.get('host', '127.0.0.1')}/{resource.name}/"
    return {
        "id": resource.arm_id,
        "name": resource.name,
        "type": f"{PROVIDER}/accounts",
        "location": resource.location,
        "kind": resource.kind,
        "sku": {"name": "S0"},
        "properties": {
            "provisioningState": "Succeeded",
            "endpoint": endpoint,
            "endpoints": {"OpenAI Language Model Instance API": endpoint},
            "customSubDomainName": resource.name,
            "disableLocalAuth": resource.keys_disabled,
            "publicNetworkAccess": "Disabled" if resource.network_closed else "Enabled",
        },
    }


def _model_json(base: AzureBase, location: str) -> dict[str, Any]:
    """Capabilities are strings; which training types there are in the region is read from them."""
    types = base.training_types(location)
    capabilities = {"chatCompletion": "true", "FineTuneTokensMaxValue": "2000000000", "FineTuneTokensMaxValuePerExample": "65536"}
    return {
        "format": base.format,
        "name": base.alias,
        "version": base.version,
        "isDefaultVersion": True,
        "skus": [_sku(base, kind) for kind in types],
        "maxCapacity": 3,
        "capabilities": capabilities | {CAPABILITY[kind]: "true" for kind in types},
        "deprecation": {"fineTune": _day(base.trains_until), "inference": _day(base.answers_until)},
        "lifecycleStatus": "GenerallyAvailable",
    }


def _sku(base: AzureBase, kind: str) -> dict[str, Any]:
    """The wire says `costs`, where the SDK's type has `cost`. A developer deployment costs no hosting."""
    hosting = {"name": "Hosting", "meterId": "00000000-0000-0000-0000-000000000000", "unit": "1 Hour"}
    return {
        "name": SKU_OF[kind],
        "usageName": f"OpenAI.{SKU_OF[kind]}.{base.pool}-finetune",
        "capacity": {"maximum": 250 if kind == DEVELOPER else 1_000_000, "default": 50},
        "deprecationDate": _day(base.tuned_until),
        "rateLimits": [{"key": "request", "renewalPeriod": 60, "count": 1}, {"key": "token", "renewalPeriod": 60, "count": 1000}],
        "costs": [] if kind == DEVELOPER else [hosting],
    }


def _day(day: date) -> str:
    return f"{day.isoformat()}T00:00:00Z"
