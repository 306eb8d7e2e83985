"""What core has of serving: names and keys, and the command's refusals before anything is loaded."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from commands import Shell

from tuneport.errors import ConfigError, UsageError
from tuneport.model import Model
from tuneport.serving import KEY_VARIABLE, Open, Served, Service, key_of, named
from tuneport.testing.server import FakeServer

MODELS = [Model(f"fake:{name}", "fake", name) for name in ("a", "b", "c")]


class ServingServer(FakeServer):
    """The fake cloud's server, as if its models were on this machine."""

    engines = ("fake",)
    asked: Service | None = None

    def serve(self, models: Sequence[Served], service: Service, *, ready: Callable[[Open], object]) -> None:
        type(self).asked = service
        ready(Open("http://127.0.0.1:1/v1", "fake"))


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(tmp_path, capsys)


@pytest.fixture
def serving(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell whose provider serves."""
    monkeypatch.delenv(KEY_VARIABLE, raising=False)

    shell.provider = replace(shell.provider, open_server=lambda settings: ServingServer(shell.cloud, name=settings.name, bases=()))
    return shell


def test_names_go_to_models_in_order_and_the_rest_keep_their_uris() -> None:
    assert [each.name for each in named(MODELS, ["first"])] == ["first", "fake:b", "fake:c"]


@pytest.mark.parametrize("names", [["x", "x"], ["fake:b"], ["", "y"], [" "], ["1", "2", "3", "4"]])
def test_names_that_would_not_tell_models_apart_are_refused(names: list[str]) -> None:
    with pytest.raises(UsageError):
        named(MODELS, names)


def test_the_key_is_that_of_the_environment_or_a_new_one_each_time() -> None:
    assert key_of({KEY_VARIABLE: "mine"}) == ("mine", False)
    (one, made), (other, _) = key_of({}), key_of({})
    assert made
    assert one != other
    assert len(one) > 40


@pytest.mark.parametrize("key", ["", "two words", "schlüssel", "line\n"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        key_of({KEY_VARIABLE: key})
    assert not key or key not in str(caught.value)


def test_a_service_does_not_show_its_key_when_printed() -> None:
    assert "secret" not in repr(Service("secret"))


@pytest.mark.parametrize("grace", ["inf", "1e12"])
def test_a_grace_that_is_no_time_is_refused_before_anything_is_loaded(serving: Shell, grace: str) -> None:
    ServingServer.asked = None
    run = serving("models", "serve", serving.finished(), "--grace", grace)
    assert (run.code, ServingServer.asked) == (2, None)
    assert "seconds" in run.err


def test_a_service_without_a_key_is_refused() -> None:
    with pytest.raises(ConfigError, match="answer anybody"):
        Service("")


def test_models_of_a_cloud_are_not_served_from_here(shell: Shell) -> None:
    run = shell("models", "serve", shell.finished())
    assert (run.code, run.out) == (2, "")
    assert "not on this machine" in run.err


def test_what_is_served_is_said_with_the_key_that_was_made_and_nowhere_else(serving: Shell) -> None:
    uri = serving.finished()
    run = serving("models", "serve", uri, "--as", "tickets", "--port", "0", "--grace", "3")
    asked = ServingServer.asked
    assert asked is not None
    assert (run.code, asked.port, asked.grace_s, asked.host) == (0, 0, 3.0, "127.0.0.1")
    assert run.out.count(asked.key) == 1
    assert asked.key not in run.err
    assert "http://127.0.0.1:1/v1" in run.out
    assert "tickets" in run.out


def test_a_key_of_ones_own_is_not_repeated(serving: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "my-own-key")
    run = serving("models", "serve", serving.finished(), "--json")
    asked = ServingServer.asked
    assert asked is not None
    assert asked.key == "my-own-key"
    assert "my-own-key" not in run.out + run.err
    assert json.loads(run.out)["key"] is None


def test_an_address_that_others_reach_is_pointed_out(serving: Shell) -> None:
    uri = serving.finished()
    assert "not encrypted" in serving("models", "serve", uri, "--host", "0.0.0.0").err
    assert "not encrypted" not in serving("models", "serve", uri).err
