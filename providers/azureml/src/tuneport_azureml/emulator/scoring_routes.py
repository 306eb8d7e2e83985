"""What managed online endpoints answer: one question at a time, to a key of theirs, as Microsoft's images for models that chat do."""

from __future__ import annotations

from tuneport.testing.emulator import Answer, Request, Routes, json_answer
from tuneport_azureml.emulator.online_routes import deployed_model, online_of
from tuneport_azureml.emulator.serving_routes import ROLES, refusal, refuse_question, said_by
from tuneport_azureml.emulator.shelf import OnlineDeployment
from tuneport_azureml.emulator.world import World


class Scores:
    def __init__(self, world: World, routes: Routes) -> None:
        self._world = world
        routes.add("POST /online/{endpoint}/score", self.score, changes=False)

    def score(self, request: Request) -> Answer:
        deployment = self._deployment(request)
        fields = request.fields(refuse=refuse_question)
        inputs = fields.nested("input_data", required=True)
        fields.raw("params")
        fields.done()
        assert inputs is not None
        rows = []
        for each in inputs.objects("input_string", required=True) or []:
            rows.append((each.text("role", required=True, words=ROLES) or "", each.text("content", required=True) or ""))
            each.done()
        parameters = inputs.nested("parameters")
        inputs.done()
        most = None
        if parameters is not None:
            most = parameters.whole("max_new_tokens", least=1)
            parameters.flag("do_sample")
            for name in ("temperature", "top_p"):
                parameters.number(name, above=0.0, most=2.0)
            parameters.done()
        model = deployed_model(self._world, deployment.properties["model"])
        said = said_by(model, rows, stops=[], most=most)
        return json_answer({"output": "".join(said.pieces).strip()})

    def _deployment(self, request: Request) -> OnlineDeployment:
        """That which is named in a header, or that which the traffic goes to."""
        endpoint, now = online_of(self._world, request.params["endpoint"]), self._world.now()
        if endpoint is None:
            raise refusal(404, "NotFound", "There is no such endpoint.")
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in endpoint.keys:
            raise refusal(401, "Unauthorized", "The key is missing or wrong.")
        traffic = endpoint.properties["traffic"]
        name = request.headers.get("azureml-model-deployment") or next((each for each, share in traffic.items() if share), None)
        deployment = endpoint.deployments.get(name or "")
        if deployment is None or not endpoint.hears(deployment, now):
            raise refusal(404, "NotFound", "No deployment of this endpoint takes the request.")
        return deployment
