"""What core has of exports: the command, its result document, its exit codes, and the refusals before anything is asked or written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from commands import Shell

from tuneport.errors import UsageError
from tuneport.exporting import Check, Export, Exported, ExportedFile
from tuneport.model import Model
from tuneport.provider import YES, Capability, Support
from tuneport.testing.fake import FakeTrainer
from tuneport.testing.server import FakeServer


class GivingTrainer(FakeTrainer):
    """The fake cloud's trainer, as if its weights could be had."""

    def support(self, capability: Capability, *, method: str | None = None, base: str | None = None, engine: str | None = None) -> Support:
        return YES if capability is Capability.EXPORT else super().support(capability, method=method, base=base, engine=engine)


class ExportingServer(FakeServer):
    """The fake cloud's server, as if models could leave it."""

    lacks: str | None = None
    faults: tuple[str, ...] = ()
    asked: Export | None = None

    def export_needs(self, model: Model, wish: Export) -> str | None:
        return type(self).lacks

    def export(self, model: Model, wish: Export, *, hear: Callable[[str], object]) -> Exported:
        type(self).asked = wish
        hear("writing the weights")
        check = Check("transformers", 10, {"mean_kl_nats": 1.5e-6, "mean_kl_of_base_nats": None}, {"mean_kl_nats": 0.02}, type(self).faults)
        folder = wish.to.with_name(f"{wish.to.name}.failed") if type(self).faults else wish.to
        return Exported(model.uri, wish.form, folder, (ExportedFile("model.gguf", 12, "ab" * 32),), check, made_with="the converter x")


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(tmp_path, capsys)


@pytest.fixture
def exporting(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell whose provider lets models go."""
    for name, value in (("lacks", None), ("faults", ()), ("asked", None)):
        monkeypatch.setattr(ExportingServer, name, value)
    shell.provider = replace(
        shell.provider,
        open_trainer=lambda settings: GivingTrainer(shell.cloud, names="provider", name=settings.name),
        open_server=lambda settings: ExportingServer(shell.cloud, name=settings.name, bases=()),
    )
    return shell


def test_a_model_that_cannot_leave_its_provider_is_refused_with_the_providers_reason(shell: Shell, tmp_path: Path) -> None:
    run = shell("models", "export", shell.finished(), "--as", "gguf", "--to", tmp_path / "out")
    assert (run.code, run.out) == (2, "")
    assert "cannot be exported: this cloud keeps the weights to itself" in run.err
    assert "tuneport archive" in run.err


def test_what_was_exported_is_said_with_its_files_and_figures(exporting: Shell, tmp_path: Path) -> None:
    uri = exporting.finished()
    run = exporting("models", "export", uri, "--as", "gguf", "--quantize", "Q8_0", "--to", tmp_path / "out")
    assert run.code == 0
    assert "It answers as the model does here." in run.out
    assert "mean kl nats 1.5e-06" in run.out
    assert "writing the weights" in run.err
    asked = ExportingServer.asked
    assert asked is not None
    assert (asked.quantise, asked.install) == ("q8_0", False)
    found = exporting("models", "export", uri, "--as", "gguf", "--to", tmp_path / "out", "--json").document
    assert (found["ok"], found["size_bytes"], found["made_with"]) == (True, 12, "the converter x")
    assert found["files"] == [{"name": "model.gguf", "size_bytes": 12, "sha256": "ab" * 32}]
    assert found["check"]["figures"] == {"mean_kl_nats": 1.5e-6, "mean_kl_of_base_nats": None}


def test_an_export_that_does_not_answer_alike_ends_with_exit_code_1(exporting: Shell, tmp_path: Path) -> None:
    ExportingServer.faults = ("Its chat template is not the model's.",)
    run = exporting("models", "export", exporting.finished(), "--as", "gguf", "--to", tmp_path / "out")
    assert run.code == 1
    assert "out.failed" in run.out
    assert "Its chat template is not the model's." in run.out
    assert "It answers as" not in run.out


def test_nothing_is_installed_without_leave(exporting: Shell, tmp_path: Path) -> None:
    ExportingServer.lacks = "GGUF takes a converter; it would be fetched from PyPI."
    uri = exporting.finished()
    run = exporting("models", "export", uri, "--as", "gguf", "--to", tmp_path / "out")
    assert (run.code, ExportingServer.asked) == (2, None)
    assert "it would be fetched from PyPI. There is no terminal to confirm on; nothing was installed or written.\nAdd --yes" in run.err
    assert exporting("models", "export", uri, "--as", "gguf", "--to", tmp_path / "out", "--yes").code == 0
    assert ExportingServer.asked is not None
    assert ExportingServer.asked.install


def test_rows_of_ones_own_are_asked_ten_at_most_unless_more_are_wanted(exporting: Shell, tmp_path: Path) -> None:
    uri, rows = exporting.finished(), exporting.data("held-out.jsonl")
    for options, expected in (((), 10), (("--limit", "12"), 12)):
        exporting("models", "export", uri, "--as", "adapter", "--to", tmp_path / "out", "--prompts", rows, *options)
        assert ExportingServer.asked is not None
        assert len(ExportingServer.asked.prompts) == expected


@pytest.mark.parametrize("wrong", [("--as", "onnx"), ("--as", "gguf", "--quantize", "q9"), ("--as", "merged", "--precision", "int4")])
def test_a_form_that_there_is_not_is_refused_with_those_there_are(exporting: Shell, tmp_path: Path, wrong: tuple[str, ...]) -> None:
    run = exporting("models", "export", exporting.finished(), "--to", tmp_path / "out", *wrong)
    assert run.code == 2
    assert "Known: " in run.err


def test_the_client_refuses_like_the_command(shell: Shell, tmp_path: Path) -> None:
    uri = shell.finished()
    with shell.opening(None) as client, pytest.raises(UsageError, match="keeps the weights to itself"):
        client.export(uri, Export("merged", tmp_path / "out"))
