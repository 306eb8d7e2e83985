"""How a deployment stands, how one is asked for, and what it costs: pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from tuneport_vertex.adapter.hosting import ACCELERATORS, costs, machine_for, rules
from tuneport_vertex.wire.standing import Deployed, Endpoint, Operation, default_name, deploy_body, state_of, wanted

from tuneport.errors import RecipeError
from tuneport.model import Model
from tuneport.prices import PriceBook

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NAME = "projects/1/locations/us-central1/endpoints/e"
LLAMA = "meta/llama3_1@llama-3.1-8b"
MODEL = Model("vertex:my-proj/us-central1/models/123@1", "vertex", "my-proj/us-central1/models/123@1", LLAMA)


def endpoint(*deployed: Deployed, age: timedelta = timedelta(minutes=5)) -> Endpoint:
    return Endpoint(NAME, created_at=NOW - age, deployed=deployed)


def test_an_endpoint_with_a_model_answers_unless_it_says_that_no_machine_does() -> None:
    assert state_of(endpoint(Deployed("1", "m", machine="g2-standard-12")), now=NOW).phase == "ready"
    stuck = state_of(endpoint(Deployed("1", "m", machine="g2-standard-12", available=0, message="pulling")), now=NOW)
    assert (stuck.phase, stuck.reason) == ("starting", "pulling")


def test_an_empty_endpoint_is_told_by_what_was_begun_with_it() -> None:
    failed = Operation("o1", done=True, error={"code": 8, "message": "no  quota\nof L4"}, began_at=NOW)
    assert state_of(endpoint(), [Operation("o2")], now=NOW).phase == "starting"
    found = state_of(endpoint(), [failed], now=NOW)
    assert (found.phase, found.reason) == ("failed", "no quota of L4")
    assert state_of(endpoint(), [failed, Operation("o2")], now=NOW).phase == "starting"


def test_an_empty_endpoint_of_which_nothing_is_known_is_on_its_way_for_an_hour() -> None:
    assert state_of(endpoint(), now=NOW).phase == "starting"
    assert state_of(endpoint(age=timedelta(hours=2)), now=NOW).phase == "failed"


def test_the_same_model_gets_the_same_name_at_every_call_and_each_version_its_own() -> None:
    assert default_name(MODEL) == "tuneport-123-1" == default_name(MODEL)
    assert default_name(Model("vertex:p/us-central1/tuningJobs/7", "vertex", "p/us-central1/tuningJobs/7")) == "tuneport-7"


@pytest.mark.parametrize(
    ("options", "about"),
    [
        ({"colour": 1}, "'colour' is no option"),
        ({"name": "Tickets!"}, "name is"),
        ({"region": "us"}, "region is"),
        ({"replicas": 0}, "replicas is 0"),
        ({"replicas": True}, "replicas is True"),
        ({"spot": "yes"}, "spot is"),
        ({"weights": "s3://x/y"}, "weights is"),
    ],
)
def test_an_option_that_cannot_be_is_named(options: dict[str, object], about: str) -> None:
    with pytest.raises(RecipeError, match=about):
        wanted(options, model=MODEL)


def test_the_request_names_the_endpoint_itself_so_that_it_cannot_come_twice() -> None:
    asked = wanted({"replicas": 2, "spot": True}, model=MODEL)
    spec = {"machineType": "g2-standard-12", "acceleratorType": "NVIDIA_L4", "acceleratorCount": 1}
    body = deploy_body(asked, destination="projects/my-proj/locations/us-central1", weights="gs://b/w", machine_spec=spec, model=MODEL.id)
    assert body["endpointConfig"] == {"endpointUserId": "tuneport-123-1", "endpointDisplayName": MODEL.id}
    assert body["customModel"] == {"gcsUri": "gs://b/w"}
    resources = body["deployConfig"]["dedicatedResources"]
    assert (resources["machineSpec"], resources["minReplicaCount"], resources["maxReplicaCount"], resources["spot"]) == (spec, 2, 2, True)


def test_the_cheapest_machine_that_holds_the_base_is_taken_and_says_why() -> None:
    small, large = machine_for(LLAMA), machine_for("publishers/google/models/gemma3@gemma-3-27b-it")
    assert (small.machine, small.accelerator, small.count) == ("g2-standard-12", "NVIDIA_L4", 1)
    assert (large.machine, large.count) == ("g2-standard-48", 4)
    assert "27 billion weights" in large.why


def test_a_machine_that_was_asked_for_is_taken_at_its_word() -> None:
    assert machine_for(None, asked="a3-highgpu-1g").accelerator == "NVIDIA_H100_80GB"
    with pytest.raises(RecipeError, match="g2-standard-12"):
        machine_for(LLAMA, asked="g2-standard-13")


def test_where_nobody_knows_what_would_do_the_machine_has_to_be_named() -> None:
    with pytest.raises(RecipeError, match="is not known") as refused:
        machine_for("google/gemma4@gemma-4-e2b-it")
    assert "--set machine=" in refused.value.remedy


def test_every_machine_that_has_a_price_can_be_rented() -> None:
    tiers = {row.tier for row in PriceBook.load().of("vertex") if row.unit == "hosting hour"}
    assert tiers
    for tier in tiers:
        assert machine_for(None, asked=tier).accelerator in ACCELERATORS.values()


def test_an_hour_costs_as_much_as_all_its_machines_with_source_and_day() -> None:
    (line,) = costs(machine_for(LLAMA), LLAMA, region="us-central1", replicas=2, on=date(2026, 11, 21))
    assert line.price == Decimal("1.1507") * 2
    assert (line.unit, line.as_of, line.confidence) == ("hosting hour", "2026-07-08", "vendor code")
    assert line.source


def test_a_price_of_another_region_says_so() -> None:
    (line,) = costs(machine_for(LLAMA), LLAMA, region="europe-west4", replicas=1, on=date(2026, 11, 21))
    assert line.price == Decimal("1.1507")
    assert "price of us-central1" in line.doubts


def test_what_is_to_be_known_before_is_told_in_sentences() -> None:
    told = rules(machine_for(LLAMA), least=1, most=3, weights="gs://b/w")
    assert any("nothing ends it by itself" in each for each in told)
    assert any("may grow to 3 machines" in each for each in told)
    assert all(each.endswith(".") for each in told)
