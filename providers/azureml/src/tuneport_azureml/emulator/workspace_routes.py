"""The workspace itself: where it is, its computes and models, and what its region has."""

from __future__ import annotations

from typing import Any

from tuneport.testing.emulator import Answer, Request, Routes, json_answer
from tuneport_azureml.emulator import refusals
from tuneport_azureml.emulator.job_routes import WORKSPACE, check_version
from tuneport_azureml.emulator.world import SIZES, WORKSPACE_ID, World

LOCATION = "/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices/locations/{location}"


class Workspaces:
    def __init__(self, world: World, routes: Routes) -> None:
        self._world = world
        routes.add(f"GET {WORKSPACE}", self.get)
        routes.add(f"GET {WORKSPACE}/computes/{{compute}}", self.compute)
        routes.add(f"GET {LOCATION}/vmSizes", self.sizes)
        routes.add(f"GET {LOCATION}/usages", self.usages)
        routes.add("GET /discovery", self.discovery)
        routes.add("GET /registrymanagement/v1.0/registries/{registry}/discovery", self.registry)

    def get(self, request: Request) -> Answer:
        check_version(request)
        world = self._world
        host = world.address.partition("://")[2]
        group = f"/subscriptions/{world.place.subscription}/resourceGroups/{world.place.group}"
        properties = {
            "workspaceId": WORKSPACE_ID,
            "friendlyName": world.place.workspace,
            "provisioningState": "Succeeded",
            "discoveryUrl": f"{world.address}/discovery",
            "mlFlowTrackingUri": f"azureml://{host}/mlflow/v1.0{world.place.id}",
            "storageAccount": f"{group}/providers/Microsoft.Storage/storageAccounts/{world.account}",
            "tenantId": "00000000-0000-4000-8000-00000000000a",
        }
        return json_answer(
            {
                "id": world.place.id,
                "name": world.place.workspace,
                "type": "Microsoft.MachineLearningServices/workspaces",
                "location": world.region,
                "identity": {"type": "SystemAssigned"},
                "tags": {},
                "properties": properties,
            }
        )

    def discovery(self, request: Request) -> Answer:
        address = self._world.address
        return json_answer({"api": address, "history": address, "mlflow": f"{address}/mlflow", "catalog": address})

    def registry(self, request: Request) -> Answer:
        name = request.params["registry"]
        if not any(each.startswith(f"azureml://registries/{name}/") for each in self._world.models):
            raise refusals.error(404, "UserError", f"Registry {name} was not found.")
        return json_answer({"registryName": name, "primaryRegion": "eastus"})

    def compute(self, request: Request) -> Answer:
        check_version(request)
        name = request.params["compute"]
        if name not in self._world.computes:
            raise refusals.error(404, "ResourceNotFound", f"The compute {name} was not found.")
        inner = {"vmSize": self._world.computes[name], "vmPriority": "Dedicated"}
        properties: dict[str, Any] = {"computeType": "AmlCompute", "provisioningState": "Succeeded", "properties": inner}
        found = {"id": f"{self._world.place.id}/computes/{name}", "name": name, "location": self._world.region, "properties": properties}
        return json_answer(found)

    def sizes(self, request: Request) -> Answer:
        check_version(request)
        return json_answer({"value": [_size(name) for name in SIZES]})

    def usages(self, request: Request) -> Answer:
        check_version(request)
        return json_answer({"value": [_usage(family, limit) for family, limit in self._world.quotas.items()]})


def _size(name: str) -> dict[str, Any]:
    family, cores, gpus, price = SIZES[name]
    prices = [{"osType": "Linux", "vmTier": tier, "retailPrice": each} for tier, each in (("Standard", price), ("Spot", price / 5))]
    estimated = {"billingCurrency": "USD", "unitOfMeasure": "OneHour", "values": prices}
    return {"name": name, "family": family, "vCPUs": cores, "gpus": gpus, "lowPriorityCapable": True, "estimatedVMPrices": estimated}


def _usage(family: str, limit: int) -> dict[str, Any]:
    return {"name": {"value": family, "localizedValue": family}, "currentValue": 0, "limit": limit, "unit": "Count"}
