"""Everything the emulated Azure remembers: resources, identities, files, jobs, tuned models, and what files are imported from."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from tuneport_openai.emulator.ids import Ids
from tuneport_openai.emulator.world import World

from tuneport.testing.emulator import Account, Blob, Request
from tuneport_azure.emulator import refusals
from tuneport_azure.emulator.bases import AzureBase
from tuneport_azure.emulator.courses import AzureCourse, DeploymentCourse
from tuneport_azure.emulator.entra import Directory
from tuneport_azure.emulator.habits import AzureHabits
from tuneport_azure.emulator.resources import Quotas, Resource

HEXADECIMAL = ("ftjob-", "file-", "ftevent-", "")


class HexIds(Ids):
    """Azure's ids: 32 hexadecimal digits."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.chance = random.Random(f"azure emulator {seed}")

    def new(self, prefix: str, length: int = 24) -> str:
        if prefix in HEXADECIMAL:
            return f"{prefix}{self.chance.getrandbits(128):032x}"
        return super().new(prefix, length)


@dataclass(slots=True)
class AzureWorld(World):
    """The sister's world, where every account is a resource."""

    habits: AzureHabits = field(kw_only=True)
    course_of: Callable[[int], AzureCourse] = field(kw_only=True)
    deployment_course_of: Callable[[int], DeploymentCourse] = field(kw_only=True)
    quotas: Quotas = field(kw_only=True)
    resources: dict[str, Resource] = field(default_factory=dict)
    directory: Directory = field(default_factory=Directory)
    pools: dict[str, int] = field(default_factory=dict)
    """Limits of pools of capacity that differ from the quotas' (`OpenAI.GlobalStandard.gpt4.1-finetune`)."""
    web: dict[str, Blob] = field(default_factory=dict)
    """What lies where a file can be imported from, by URL."""
    deployments_made: int = 0

    def resource(self, request: Request) -> Resource:
        """The resource that a request to the data plane is about."""
        found = self.resources.get(request.params["resource"])
        if found is None:
            raise refusals.no_such_path()
        return found

    def caller(self, request: Request) -> Account:
        name = self.resource(request).name
        return Account(name, name)

    def base(self, name: str) -> AzureBase | None:
        found = self.bases.get(name)
        return found if isinstance(found, AzureBase) else None
