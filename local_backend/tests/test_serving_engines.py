"""Which engine serves, and what vLLM would be started with. vLLM itself is a program of a few lines here: it needs a GPU."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tuneport_local import provider
from tuneport_local.jobs.tuned import tuned_in
from tuneport_local.serving import vllm

from tuneport.errors import ConfigError, UnknownModel, Unsupported
from tuneport.model import Model
from tuneport.provider import ProviderSettings
from tuneport.serving import Served, Serves, Service

from .served import PROGRAM
from .test_serving_calls import HERMES
from .tiny import CHATML, save_tiny

FAKE = "#!{python}\nimport json, os, sys\nprint(json.dumps([os.getpid(), sys.argv[1:], os.environ['VLLM_API_KEY']]))\n"


def folder_with_adapter(folder: Path, *, base: str | None, **config: Any) -> Path:
    folder.mkdir(parents=True)
    said = {"peft_type": "LORA", "r": 16, "base_model_name_or_path": base, **config}
    (folder / "adapter_config.json").write_text(json.dumps(said), encoding="utf-8")
    return folder


def tuned(name: str, folder: Path, *, base: str) -> Served:
    return Served(name, Model(f"local:{name}", "local", name, base=base, path=str(folder)))


def argv_of(models: list[Served], *, home: Path, port: int = 8000) -> list[str]:
    return list(vllm.launch(models, Service("the-key", port=port), home=home, environ={}, command="vllm").argv)


@pytest.mark.train
def test_vllm_gets_the_base_once_and_every_adapter_by_its_name(tmp_path: Path) -> None:
    base = str(save_tiny(tmp_path / "base"))
    models = [
        tuned("ft:gpt-4o:x", folder_with_adapter(tmp_path / "one", base=base, r=4), base=base),
        tuned("two", folder_with_adapter(tmp_path / "two", base=base, r=16, rank_pattern={"q_proj": 24}), base=base),
        Served("plain", Model(f"local:{base}", "local", base, base=base, kind="base")),
    ]
    argv = argv_of(models, home=tmp_path)
    assert argv[:3] == ["vllm", "serve", base]
    assert argv[argv.index("--served-model-name") + 1] == "plain"
    assert argv[argv.index("--max-lora-rank") + 1] == "32"
    start = argv.index("--lora-modules") + 1
    named = {each["name"]: each["path"] for each in map(json.loads, argv[start : start + 2])}
    assert named == {"ft:gpt-4o:x": str(tmp_path / "one"), "two": str(tmp_path / "two")}
    assert "the-key" not in " ".join(argv)
    assert "--tool-call-parser" not in argv


@pytest.mark.train
def test_vllm_reads_calls_where_it_has_a_reader_for_how_the_template_writes_them(tmp_path: Path) -> None:
    for template, known in ((HERMES, True), (CHATML, False)):
        base = str(save_tiny(tmp_path / f"base{known}", template=template))
        argv = argv_of([Served("m", Model("local:m", "local", base, base=base, kind="base"))], home=tmp_path)
        assert ("hermes" in argv) is known


@pytest.mark.train
def test_vllm_gets_a_model_whose_weights_were_all_trained_as_a_base_of_its_own(tmp_path: Path) -> None:
    base, whole = (save_tiny(tmp_path / name) for name in ("base", "whole"))
    argv = argv_of([tuned("mine", whole, base=str(base))], home=tmp_path)
    assert argv[:3] == ["vllm", "serve", str(whole)]
    assert argv[argv.index("--served-model-name") + 1] == "mine"
    assert "--enable-lora" not in argv


@pytest.mark.train
def test_what_one_vllm_cannot_serve_is_refused_before_it_is_started(tmp_path: Path) -> None:
    bases = [str(save_tiny(tmp_path / f"base{number}")) for number in range(2)]
    models = [Served(base, Model(f"local:{base}", "local", base, base=base, kind="base")) for base in bases]
    with pytest.raises(Unsupported, match="one base at a time"):
        argv_of(models, home=tmp_path)
    with pytest.raises(ConfigError, match="--port"):
        argv_of(models[:1], home=tmp_path, port=0)
    odds = ({"r": 1024}, {"use_dora": True}, {"bias": "all"}, {"peft_type": "IA3", "r": None}, {"peft_type": "PROMPT_TUNING"})
    for number, odd in enumerate(odds):
        folder = folder_with_adapter(tmp_path / f"odd{number}", base=bases[0], **odd)
        with pytest.raises(Unsupported):
            argv_of([tuned("odd", folder, base=bases[0])], home=tmp_path)


@pytest.mark.train
def test_vllm_takes_the_place_of_the_process_and_gets_the_key_by_its_environment(tmp_path: Path) -> None:
    base = save_tiny(tmp_path / "base")
    program = tmp_path / "bin" / "vllm"
    program.parent.mkdir()
    program.write_text(FAKE.format(python=sys.executable), encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    typed = ["--json", "--home", str(tmp_path), "models", "serve", f"local:{base}", "--as", "m", "--engine", "vllm", "--port", str(port)]
    started = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *typed],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}", "TUNEPORT_SERVE_KEY": "the-key"},
    )
    said, _ = started.communicate(timeout=120)
    opened, ran = map(json.loads, said.splitlines())
    assert (opened["engine"], opened["url"]) == ("vllm", f"http://127.0.0.1:{port}/v1")
    pid, argv, key = ran
    assert (pid, key) == (started.pid, "the-key")
    assert argv[:2] == ["serve", str(base)]
    assert "the-key" not in argv


def test_vllm_is_not_started_where_the_port_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "vllm"
    program.write_text("", encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path))
    nobody = Served("m", Model("local:/no/such", "local", "/no/such", base="/no/such", kind="base"))
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(ConfigError, match="cannot be had"):
            server(tmp_path).serve([nobody], Service("k", port=other.getsockname()[1], engine="vllm"), ready=print)


def server(home: Path) -> Any:
    assert provider.open_server is not None
    found = provider.open_server(ProviderSettings("local", home))
    assert isinstance(found, Serves)
    return found


def test_an_engine_that_is_not_known_or_not_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for engine, said in (("llama.cpp", "no engine"), ("vllm", "not installed")):
        with pytest.raises(Unsupported, match=said):
            server(tmp_path).serve([], Service("k", engine=engine), ready=print)


@pytest.mark.train
def test_a_port_that_is_taken_is_said_before_anything_is_loaded(tmp_path: Path) -> None:
    pytest.importorskip("uvicorn")
    nobody = Served("m", Model("local:/no/such", "local", "/no/such", base="/no/such", kind="base"))
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(ConfigError, match="cannot be had"):
            server(tmp_path).serve([nobody], Service("k", port=other.getsockname()[1], engine="torch"), ready=print)
    with pytest.raises(ConfigError, match="cannot be had"):
        server(tmp_path).serve([nobody], Service("k", host="192.0.2.1", engine="torch"), ready=print)  # kept for documents: nobody's
    with pytest.raises(UnknownModel, match="/no/such"):
        server(tmp_path).serve([nobody], Service("k", port=0, engine="torch"), ready=print)


def test_an_exported_adapter_is_a_model_by_its_folder_and_knows_its_base(tmp_path: Path) -> None:
    folder = folder_with_adapter(tmp_path / "kept", base="HuggingFaceTB/SmolLM2-135M-Instruct")
    assert tuned_in(str(folder), provider="local") == server(tmp_path).model(str(folder))
    assert server(tmp_path).model(str(folder)).base == "smollm2-135m-instruct"
    (folder / "run.json").write_text(json.dumps({"base": {"id": "/my/base"}, "dataset_fingerprint": "d"}), encoding="utf-8")
    model = server(tmp_path).model(str(folder))
    assert (model.base, model.dataset_fingerprint, model.kind, model.path) == ("/my/base", "d", "tuned", str(folder))


def test_an_adapter_that_names_no_base_is_refused(tmp_path: Path) -> None:
    folder = folder_with_adapter(tmp_path / "kept", base=None)
    with pytest.raises(UnknownModel, match="what base"):
        server(tmp_path).model(str(folder))
    assert tuned_in(str(tmp_path), provider="local") is None
