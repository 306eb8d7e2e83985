"""Long-running operations: what takes a while, and what it comes to. The effect happens when the operation is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tuneport.testing.emulator import Answer, Refusal, Request, Routes, json_answer
from tuneport_vertex.emulator import refusals
from tuneport_vertex.emulator.versions import PLACE, VERSIONS
from tuneport_vertex.emulator.world import Place, World, stamp

Result = Mapping[str, Any]
TYPES = "type.googleapis.com/google.cloud.aiplatform."
PARENTS = ("", "/models/{model}", "/endpoints/{endpoint}", "/tuningJobs/{job}")


@dataclass(slots=True)
class Operation:
    """`act` has the effect and gives the response; it may raise Refusal, which becomes the operation's error."""

    name: str
    place: Place
    version: str
    """Of the API that began it: it answers in that version's messages."""
    kind: str
    begun_at: datetime
    ready_at: datetime
    act: Callable[[], Result]
    response_type: str
    metadata: Mapping[str, Any]
    response: Result | None = None
    error: Mapping[str, Any] | None = None

    @property
    def done(self) -> bool:
        return self.response is not None or self.error is not None


def begin(
    world: World,
    place: Place,
    *,
    version: str,
    kind: str,
    takes_s: float,
    act: Callable[[], Result],
    response_type: str,
    parent: str = "",
    metadata: Mapping[str, Any] | None = None,
) -> Operation:
    """A new operation; `parent` is the resource it is about, `kind` and `response_type` are names of messages."""
    now, name = world.now(), f"{parent or place.name}/operations/{world.ids.new()}"
    operation = Operation(name, place, version, kind, now, now + timedelta(seconds=takes_s), act, response_type, metadata or {})
    world.operations[name] = operation
    settle(operation, world)
    return operation


def settle(operation: Operation, world: World) -> None:
    """Has its effect once its time has come."""
    if operation.done or operation.ready_at > world.now():
        return
    try:
        operation.response = operation.act()
    except Refusal as refusal:
        error = refusal.answer.value
        assert isinstance(error, dict)
        status = error["error"]
        operation.error = {"code": refusals.CODES.get(status["status"], 2), "message": status["message"]}


def operation_json(operation: Operation) -> dict[str, Any]:
    """A google.longrunning.Operation."""
    version = operation.version
    at = operation.ready_at if operation.done else operation.begun_at
    generic = {"createTime": stamp(operation.begun_at), "updateTime": stamp(at)}
    metadata = {"@type": f"{TYPES}{version}.{operation.kind}", "genericMetadata": generic, **operation.metadata}
    value: dict[str, Any] = {"name": operation.name, "metadata": metadata}
    if operation.done:
        value["done"] = True
    if operation.error is not None:
        value["error"] = operation.error
    elif operation.response is not None:
        whole = (
            operation.response_type if "." in operation.response_type else f"google.cloud.aiplatform.{version}.{operation.response_type}"
        )
        value["response"] = {"@type": f"type.googleapis.com/{whole}", **operation.response}
    return value


class Operations:
    """Serves operations, wherever they hang. gapic's REST clients ask for them under `/ui/`."""

    def __init__(self, world: World, routes: Routes) -> None:
        self._world = world
        for version in (*VERSIONS, "ui"):
            for parent in PARENTS:
                where = f"/{version}/{PLACE}{parent}/operations"
                routes.add(f"POST {where}/{{operation}}:cancel", self.cancel)
                routes.add(f"POST {where}/{{operation}}:wait", self.retrieve, changes=False)
                routes.add(f"GET {where}/{{operation}}", self.retrieve)
                routes.add(f"DELETE {where}/{{operation}}", self.delete)
                routes.add(f"GET {where}", self.page)

    def retrieve(self, request: Request) -> Answer:
        return json_answer(operation_json(self._operation(request)))

    def page(self, request: Request) -> Answer:
        place = self._world.place(request, "aiplatform.operations.list")
        here = request.path.partition("/projects/")[2].partition("/")[2]
        for one in self._world.operations.values():
            settle(one, self._world)
        found = [one for one in self._world.operations.values() if one.place == place and _below(one, here)]
        listed = [operation_json(one) for one in reversed(found)]
        return json_answer({"operations": listed} if listed else {})

    def cancel(self, request: Request) -> Answer:
        operation = self._operation(request)
        if not operation.done:
            operation.error = {"code": refusals.CODES["CANCELLED"], "message": "The operation was cancelled."}
        return json_answer({})

    def delete(self, request: Request) -> Answer:
        del self._world.operations[self._operation(request).name]
        return json_answer({})

    def _operation(self, request: Request) -> Operation:
        place = self._world.place(request, "aiplatform.operations.get")
        path = request.path.removesuffix(":cancel").removesuffix(":wait")
        name = self._world.full(path.partition("/projects/")[2] and f"projects/{path.partition('/projects/')[2]}")
        operation = self._world.operations.get(name)
        if operation is None or operation.place != place:
            raise refusals.not_found("operation", name)
        settle(operation, self._world)
        return operation


def _below(operation: Operation, path: str) -> bool:
    """Whether it hangs below that path, whatever the project is called: below a location all do."""
    resource = path.removesuffix("/operations")
    return resource.count("/") < 2 or operation.name.partition("/")[2].partition("/")[2].startswith(f"{resource}/")
