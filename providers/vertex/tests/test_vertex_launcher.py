"""The launcher of custom jobs over the emulator: one job is made, found, looked at, ended, and every refusal is one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from google.auth.credentials import Credentials
from google.auth.exceptions import RefreshError
from tuneport_local.engines.installed import why_no_launcher
from tuneport_local.engines.launcher import Rented
from tuneport_vertex.emulator import EUROPEAN_BUCKET, CustomCourse
from tuneport_vertex.wire.custom_jobs import SHELL

from tuneport.errors import Ambiguous, CredentialsRefused, NotFound, QuotaExceeded, Refused, Unreachable
from tuneport.testing.emulator.faults import Reset, ServerError

from .vertex_machines import CANCEL, CREATE, GET, IMAGE, LIST, Rental, renting


@pytest.fixture
def rental(tmp_path: Path) -> Iterator[Rental]:
    with renting(tmp_path) as found:
        yield found


def created(rental: Rental) -> int:
    return len(rental.emulator.world.custom_jobs)


def test_it_answers_the_protocol(rental: Rental) -> None:
    assert why_no_launcher(rental.launcher()) == ""


def test_a_job_runs_the_bundle_from_the_bucket_and_carries_the_name_of_its_launch(rental: Rental) -> None:
    order = rental.order(spot=True, max_hours=1.5, boot_disk_gb=200, labels={"tuneport-job": "one"})
    rented = rental.launcher().launch(order)
    body = rental.emulator.custom_job(rented.id).body
    pool = body["jobSpec"]["workerPoolSpecs"][0]
    bucket = f"/gcs/{rental.emulator.bucket}/tuneport"
    assert pool["containerSpec"] == {
        "imageUri": IMAGE,
        "command": ["sh", "-c", SHELL, f"{bucket}/bundles/{'5e' * 32}/start.py", f"{bucket}/jobs/one", "--launch", "tuneport-one-1"],
        "env": [{"name": "PYTHONUNBUFFERED", "value": "1"}],
    }
    assert pool["machineSpec"] == {"machineType": "g2-standard-12", "acceleratorType": "NVIDIA_L4", "acceleratorCount": 1}
    assert (pool["replicaCount"], pool["diskSpec"]) == ("1", {"bootDiskSizeGb": 200})
    assert body["jobSpec"]["scheduling"] == {"strategy": "SPOT", "timeout": "5400s"}
    assert body["displayName"] == "tuneport-one-1"
    assert {"tuneport-client": "tuneport-one-1", "tuneport-job": "one"}.items() <= body["labels"].items()
    assert rented.id.startswith("tune-main/us-central1/customJobs/")
    assert rented.page.startswith("https://console.cloud.google.com/agent-platform/locations/us-central1/training/")


def test_several_machines_are_one_primary_replica_and_others_of_the_same_kind(rental: Rental) -> None:
    order = rental.order(replica_count=3)
    assert rental.launcher().machines(order.settings) == 3
    body = rental.emulator.custom_job(rental.launcher().launch(order).id).body
    first, second = body["jobSpec"]["workerPoolSpecs"]
    assert (first["replicaCount"], second["replicaCount"]) == ("1", "2")
    assert {**first, "replicaCount": ""} == {**second, "replicaCount": ""}
    alone = rental.order("tuneport-two-1", job_id="two").settings
    assert "replica_count" not in alone
    assert rental.launcher().machines(alone) == 1


def test_the_bundle_is_sent_once_and_whole(rental: Rental) -> None:
    rental.launcher().launch(rental.order())
    folder = f"tuneport/bundles/{'5e' * 32}"
    assert {f"{folder}/start.py", f"{folder}/wheels/ours-1.whl", f"{folder}/complete"} == set(rental.emulator.objects())
    before = rental.emulator.log.count()
    rental.launcher().launch(rental.order("tuneport-two-1", job_id="two"))
    assert [one.method for one in rental.emulator.log.of()[before:]] == ["GET", "POST"]


def test_a_bundle_that_was_cut_is_sent_again(rental: Rental) -> None:
    launcher, order = rental.launcher(), rental.order()
    launcher.launch(order)
    del rental.emulator.world.buckets[rental.emulator.bucket].objects[f"tuneport/bundles/{'5e' * 32}/complete"]
    launcher.launch(rental.order("tuneport-two-1"))
    assert f"tuneport/bundles/{'5e' * 32}/complete" in rental.emulator.objects()


def test_a_job_is_found_by_the_name_of_its_launch_and_by_no_other(rental: Rental) -> None:
    launcher = rental.launcher()
    assert launcher.find(rental.order()) is None
    rented = launcher.launch(rental.order())
    launcher.launch(rental.order("tuneport-one-2"))
    assert launcher.find(rental.order()) == rented
    assert launcher.find(rental.order("tuneport-on")) is None


def test_it_tells_how_a_job_stands_until_it_is_over(rental: Rental) -> None:
    launcher, order = rental.launcher(), rental.order()
    rented = launcher.launch(order)
    assert launcher.look(rented, order.settings).state == "waiting"
    rental.clock.sleep(61)
    seen = launcher.look(rented, order.settings)
    assert (seen.state, seen.word) == ("running", "JOB_STATE_RUNNING")
    rental.clock.sleep(600)
    assert launcher.look(rented, order.settings).state == "succeeded"


def test_a_job_that_fails_says_why_and_what_to_do(tmp_path: Path) -> None:
    course = CustomCourse(ending="fails", error="Replicas low on memory: workerpool0.")
    with renting(tmp_path, custom=course) as rental:
        launcher, order = rental.launcher(), rental.order()
        rented = launcher.launch(order)
        rental.clock.sleep(1000)
        seen = launcher.look(rented, order.settings)
        assert (seen.state, seen.reason) == ("failed", "Replicas low on memory: workerpool0. Name a larger machine_type.")
        assert launcher.log(rented, order.settings) == ""


def test_a_job_whose_time_is_over_has_failed_though_the_service_calls_it_cancelled(rental: Rental) -> None:
    launcher, order = rental.launcher(), rental.order(max_hours=0.1)
    rented = launcher.launch(order)
    rental.clock.sleep(3600)
    seen = launcher.look(rented, order.settings)
    assert (seen.state, seen.word) == ("failed", "JOB_STATE_CANCELLED")
    assert seen.reason == "the job ran as long as it may. Give it more time: max_hours."


def test_a_job_is_cancelled_and_one_that_is_over_is_left_as_it_is(rental: Rental) -> None:
    launcher, order = rental.launcher(), rental.order()
    rented = launcher.launch(order)
    launcher.cancel(rented, order.settings)
    rental.clock.sleep(20)
    assert launcher.look(rented, order.settings).state == "cancelled"
    launcher.cancel(rented, order.settings)
    assert launcher.look(rented, order.settings).state == "cancelled"


def test_the_log_is_what_the_machine_has_left_in_the_folder(rental: Rental) -> None:
    launcher, order = rental.launcher(), rental.order()
    rented = launcher.launch(order)
    assert launcher.log(rented, order.settings) == ""
    launcher.place(order.settings, "one").write("worker.log", b"epoch 1\n" * 5000)
    assert launcher.log(rented, order.settings).endswith("epoch 1\n")
    assert len(launcher.log(rented, order.settings)) == 20_000


# --- nothing is made twice, and nothing is lost ----------------------------------------------------------------------------------------


def test_a_create_whose_answer_is_lost_is_found_and_not_repeated(rental: Rental) -> None:
    rental.emulator.faults.once(Reset(after_effect=True), on=CREATE)
    rented = rental.launcher().launch(rental.order())
    assert created(rental) == 1
    assert rental.launcher().find(rental.order()) == rented


def test_a_create_that_may_or_may_not_have_arrived_is_uncertain(rental: Rental) -> None:
    rental.emulator.faults.once(ServerError(503), on=CREATE)
    with pytest.raises(Ambiguous, match=r"A job named tuneport-one-1 was looked for, and is not there yet") as caught:
        rental.launcher().launch(rental.order())
    assert not isinstance(caught.value, CredentialsRefused)
    assert created(rental) == 0


def test_a_listing_that_fails_after_a_lost_answer_makes_no_certainty_of_it(rental: Rental) -> None:
    rental.emulator.faults.once(Reset(after_effect=True), on=CREATE)
    rental.emulator.faults.always(ServerError(503), on=LIST)
    with pytest.raises(Ambiguous):
        rental.launcher().launch(rental.order())
    assert created(rental) == 1


# --- bad input: one sentence -----------------------------------------------------------------------------------------------------------


def test_a_bucket_in_another_region_is_refused_before_anything_is_sent(rental: Rental) -> None:
    order = rental.order(bucket=EUROPEAN_BUCKET)
    said = f"gs://{EUROPEAN_BUCKET} lies in europe-west4, and the job runs in us-central1"
    assert [each for each in rental.launcher().check(order.settings) if said in each]
    with pytest.raises(Refused, match=said):
        rental.launcher().launch(order)
    assert created(rental) == 0
    assert not rental.emulator.objects(EUROPEAN_BUCKET)


def test_a_bucket_that_is_not_there_is_said(rental: Rental) -> None:
    order = rental.order(bucket="nobodys-bucket")
    with pytest.raises(NotFound, match=r"there is no such bucket"):
        rental.launcher().launch(order)
    assert any("there is no such bucket" in each for each in rental.launcher().check(order.settings))


@pytest.mark.parametrize("spot", [False, True])
def test_a_quota_of_zero_names_the_quota_and_the_region(rental: Rental, spot: bool) -> None:
    rental.emulator.project_called().training_gpus.clear()
    with pytest.raises(QuotaExceeded) as caught:
        rental.launcher().launch(rental.order(spot=spot))
    metric = f"custom_model_training_{'preemptible_' if spot else ''}nvidia_l4_gpus"
    assert metric in caught.value.reason
    assert f"{metric} in us-central1 (a quota of Vertex AI" in caught.value.remedy
    assert (caught.value.exit_code, created(rental)) == (3, 0)


def test_a_missing_role_is_said_by_the_check_and_by_the_launch(rental: Rental) -> None:
    viewer = rental.launcher(environ={"GOOGLE_OAUTH_ACCESS_TOKEN": rental.emulator.token(role="viewer")})
    order = rental.order()
    assert viewer.check(order.settings) == [
        f"gs://{rental.emulator.bucket}: this identity lacks storage.objects.create, storage.objects.delete. "
        "Ask for the role Storage Object User (roles/storage.objectUser) on the bucket."
    ]
    with pytest.raises(CredentialsRefused, match=r"storage\.objects\.create"):
        viewer.launch(order)
    rental.launcher().launch(order)
    trusted = rental.launcher(environ={"GOOGLE_OAUTH_ACCESS_TOKEN": rental.emulator.token(role="tuner")})
    with pytest.raises(CredentialsRefused, match=r"lacks the permission aiplatform\.customJobs\.create.*Vertex AI User"):
        trusted.launch(rental.order("tuneport-two-1"))
    assert created(rental) == 1


def test_a_login_that_expires_in_the_middle_of_a_wait_is_said_and_the_job_goes_on(rental: Rental) -> None:
    token = rental.emulator.token(life_s=100)
    launcher, order = rental.launcher(environ={"GOOGLE_OAUTH_ACCESS_TOKEN": token}), rental.order()
    rented = launcher.launch(order)
    rental.clock.sleep(200)
    with pytest.raises(
        CredentialsRefused,
        match=r"the access token has expired or was refused.* while looking at the custom job.*What was begun there goes on",
    ):
        launcher.look(rented, order.settings)
    assert rental.launcher().look(rented, order.settings).state == "running"


class Login(Credentials):
    """A login whose token the platform knows for a while, and which cannot be renewed then."""

    def __init__(self, rental: Rental, *, life_s: float) -> None:
        super().__init__()
        self.token = rental.emulator.token(life_s=life_s)

    def refresh(self, request: object) -> None:
        raise RefreshError("Reauthentication is needed.")


def test_somebody_who_signs_in_again_while_a_job_is_followed_need_do_nothing_else(rental: Rental) -> None:
    logins = iter([Login(rental, life_s=100), Login(rental, life_s=10_000)])
    launcher = rental.launcher(environ={"GOOGLE_OAUTH_ACCESS_TOKEN": ""}, default=lambda: (next(logins), "tune-main"))
    order = rental.order()
    place = launcher.place(order.settings, "one")
    place.write("wish", b"run")
    rented = launcher.launch(order)
    rental.clock.sleep(200)
    with pytest.raises(CredentialsRefused, match="Sign in again"):
        place.read("wish")
    assert place.read("wish") == b"run"
    assert launcher.look(rented, order.settings).state == "running"


def test_what_the_service_refuses_in_a_job_is_said_in_its_words_and_with_where_to_look(rental: Rental) -> None:
    with pytest.raises(Refused, match=r"Vertex AI refused the custom job: .*Machine type x9-standard-4 is not supported") as caught:
        rental.launcher().launch(rental.order(machine_type="x9-standard-4"))
    assert caught.value.remedy.startswith("Look at options.local.vertex: machine_type")
    assert type(caught.value) is Refused


def test_a_service_that_does_not_answer_is_asked_again_by_reads_and_not_by_the_create(rental: Rental) -> None:
    launcher, order = rental.launcher(), rental.order()
    rented = launcher.launch(order)
    rental.emulator.faults.times(2, ServerError(503), on=GET)
    assert launcher.look(rented, order.settings).state == "waiting"
    rental.emulator.faults.always(ServerError(503), on=CANCEL)
    with pytest.raises(Unreachable):
        launcher.cancel(rented, order.settings)


def test_a_job_of_another_region_or_none_is_not_found(rental: Rental) -> None:
    order = rental.order()
    for wrong in ("tune-main/europe-west4/customJobs/12", "tune-main/us-central1/customJobs/12"):
        with pytest.raises(NotFound):
            rental.launcher().look(Rented(wrong), order.settings)


def test_a_check_of_what_is_right_says_nothing_in_three_requests(rental: Rental) -> None:
    launcher, order = rental.launcher(), rental.order()
    before = rental.emulator.log.count()
    assert launcher.check(order.settings) == []
    assert rental.emulator.log.count() - before == 3


def test_a_check_that_is_not_answered_is_no_reason_of_its_own(rental: Rental) -> None:
    right, wrong = rental.order().settings, rental.order(bucket=EUROPEAN_BUCKET).settings
    rental.emulator.faults.always(ServerError(503), on=LIST)
    with pytest.raises(Unreachable):
        rental.launcher().check(right)
    assert len(rental.launcher().check(wrong)) == 1


def test_nobody_signed_in_is_one_sentence(rental: Rental, monkeypatch: pytest.MonkeyPatch) -> None:
    order = rental.order()
    monkeypatch.setattr("tuneport_vertex.at_hand.is_signed_in", lambda environ=None: False)
    alone = rental.launcher(environ={"GOOGLE_OAUTH_ACCESS_TOKEN": "", "GOOGLE_VERTEX_BASE_URL": "", "STORAGE_EMULATOR_HOST": ""})
    (said,) = alone.check(order.settings)
    assert said.startswith("nobody is signed in at Google Cloud here")
