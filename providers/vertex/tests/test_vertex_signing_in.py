"""Who is signed in, by the files of the machine; and that nobody is waited for where nobody can be."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tuneport_vertex import at_hand
from tuneport_vertex.adapter.trainer import VertexTrainer

from tuneport.errors import ConfigError, CredentialsRefused
from tuneport.provider import ProviderSettings
from tuneport.testing import SimulatedClock

SERVICE_ACCOUNT = {"type": "service_account", "project_id": "account-project"}
USER = {"type": "authorized_user", "quota_project_id": "quota-project", "client_id": "c", "client_secret": "s", "refresh_token": "r"}


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine that is none of Google's, where nobody is signed in."""
    for name in (at_hand.FILE, at_hand.PROJECT, "CLOUDSDK_ACTIVE_CONFIG_NAME", *at_hand.METADATA, *at_hand.SERVERLESS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(at_hand.FOLDER, str(tmp_path / "gcloud"))
    monkeypatch.setattr(at_hand, "PRODUCT", tmp_path / "product_name")
    (tmp_path / "product_name").write_text("Standard PC\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def sockets(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What anybody tried to connect to."""
    tried: list[Any] = []

    def connect(self: socket.socket, address: Any) -> None:
        tried.append(address)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", connect)
    return tried


def trainer(home: Path, **environ: str) -> VertexTrainer:
    return VertexTrainer(ProviderSettings(name="vertex", home=home, environ=environ, clock=SimulatedClock()))


def test_where_nothing_is_set_up_that_is_said_at_once_and_nobody_is_asked(machine: Path, sockets: list[Any]) -> None:
    with pytest.raises(ConfigError, match="no project is named"):
        trainer(machine)
    assert sockets == []


def test_where_a_project_is_named_and_nobody_signed_in_that_is_said_at_once(
    machine: Path, sockets: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.DEBUG),
        pytest.raises(CredentialsRefused, match=r"nobody is signed in.*gcloud auth"),
    ):
        list(trainer(machine, GOOGLE_CLOUD_PROJECT="my-project").list())
    assert sockets == []
    assert caplog.records == []


def test_a_check_says_so_too(machine: Path, sockets: list[Any]) -> None:
    findings = trainer(machine, GOOGLE_CLOUD_PROJECT="my-project").check()
    assert [(each.rule, each.severity) for each in findings] == [("project", "info"), ("reach", "error")]
    assert sockets == []


def _service_account(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine / "key.json").write_text(json.dumps(SERVICE_ACCOUNT), encoding="utf-8")
    monkeypatch.setenv(at_hand.FILE, str(machine / "key.json"))


def _user(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine / "gcloud").mkdir()
    (machine / "gcloud" / "application_default_credentials.json").write_text(json.dumps(USER), encoding="utf-8")


def _configured(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _user(machine, monkeypatch)
    (machine / "gcloud" / "configurations").mkdir()
    (machine / "gcloud" / "active_config").write_text("work\n", encoding="utf-8")
    (machine / "gcloud" / "configurations" / "config_work").write_text("[core]\nproject = gcloud-project\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("sign_in", "project"), [(_service_account, "account-project"), (_user, "quota-project"), (_configured, "gcloud-project")]
)
def test_the_project_of_who_is_signed_in_is_read_from_files(
    machine: Path, monkeypatch: pytest.MonkeyPatch, sockets: list[Any], sign_in: Callable[[Path, pytest.MonkeyPatch], None], project: str
) -> None:
    sign_in(machine, monkeypatch)
    assert at_hand.is_signed_in()
    assert trainer(machine).scope() == f"{project}/us-central1"
    assert sockets == []


def test_files_that_cannot_be_read_say_nothing(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _configured(machine, monkeypatch)
    (machine / "gcloud" / "application_default_credentials.json").write_text("[]", encoding="utf-8")
    (machine / "gcloud" / "configurations" / "config_work").write_text("nonsense", encoding="utf-8")
    assert at_hand.project() is None


def test_a_machine_of_googles_is_known_by_its_name(machine: Path) -> None:
    assert not at_hand.is_googles()
    at_hand.PRODUCT.write_text("Google Compute Engine\n", encoding="utf-8")
    assert at_hand.is_googles()
    assert at_hand.is_signed_in()
    at_hand.PRODUCT.unlink()
    assert not at_hand.is_googles()
    assert at_hand.is_googles({"GCE_METADATA_HOST": "127.0.0.1:8399"})


@pytest.mark.parametrize("variable", ["K_SERVICE", "CLOUD_RUN_JOB", "GAE_SERVICE"])
def test_a_container_of_googles_is_known_though_it_sees_no_machine(machine: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    at_hand.PRODUCT.unlink()
    monkeypatch.setenv(variable, "tuner")
    assert at_hand.is_signed_in()
