"""Exports that transformers and PEFT read: whole or not at all, asked like the model they came from, refused with the reason."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tuneport_local import provider
from tuneport_local.exporting import figures
from tuneport_local.server import LocalServer

from tuneport.errors import ConfigError, Unsupported, UsageError
from tuneport.examples import ChatExample, Message
from tuneport.exporting import Export, Exported, Exports
from tuneport.provider import ProviderSettings

from .tunes import finished_job, finished_whole, lora, save_loud

pytestmark = pytest.mark.train

TUNE, WHOLE = "a" * 32, "b" * 32
ROWS = tuple(ChatExample((Message("user", words),)) for words in ("Where is my card?", "I lost it.", "Red 1 2 3"))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_loud(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, base: Path) -> Path:
    home = tmp_path_factory.mktemp("home")
    finished_job(home, TUNE, base=base)
    finished_whole(home, WHOLE, base=base)
    return home


@pytest.fixture(scope="module")
def server(home: Path) -> LocalServer:
    assert provider.open_server is not None
    server = provider.open_server(ProviderSettings("local", home))
    assert isinstance(server, LocalServer)
    return server


Exporting = Callable[..., Exported]


@pytest.fixture
def export(server: LocalServer, tmp_path: Path) -> Exporting:
    """Exports into `tmp_path / "out"`, asking three rows."""

    def exported(form: str, *, name: str = TUNE, to: Path = tmp_path / "out", hear: Any = None, **more: Any) -> Exported:
        wish = Export(form=form, to=to, **{"prompts": ROWS, **more})  # type: ignore[arg-type]
        return server.export(server.model(name), wish, hear=hear or (lambda words: None))

    return exported


def left(folder: Path) -> list[str]:
    """Everything that lies in it, hidden or not."""
    return sorted(path.name for path in folder.iterdir())


def greedy(network: Any, tokenizer: Any, question: str) -> list[int]:
    """Transformers' own generation, with the settings that came with the weights."""
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": question}], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    tokens = network.generate(**prompt, do_sample=False, max_new_tokens=8)[0]
    return [int(token) for token in tokens[prompt["input_ids"].shape[1] :]]


def test_the_local_server_exports(server: LocalServer) -> None:
    assert isinstance(server, Exports)


def test_an_adapter_is_pefts_folder_with_a_card_and_answers_exactly_as_it_did(export: Exporting, home: Path) -> None:
    done = export("adapter")
    assert done.ok
    assert left(done.folder) == ["README.md", "adapter_config.json", "adapter_model.safetensors", "export.json", "run.json"]
    assert (done.folder / "adapter_model.safetensors").read_bytes() == (
        home / "local" / "jobs" / TUNE / "adapter" / "adapter_model.safetensors"
    ).read_bytes()
    assert done.check.figures["mean_kl_nats"] == pytest.approx(0, abs=1e-9)
    assert done.check.figures["equal_answers"] == len(ROWS)
    assert float(done.check.figures["mean_kl_of_base_nats"] or 0) > 0.1
    record = json.loads((done.folder / "export.json").read_text())
    assert record["check"]["faults"] == []
    card = (done.folder / "README.md").read_text()
    assert "licence of the base applies" in card
    assert "PeftModel.from_pretrained" in card


def test_merged_weights_load_with_plain_transformers_and_say_what_the_tune_says(export: Exporting, server: LocalServer, base: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from tuneport_local.quiet import quiet

    done = export("merged")
    assert done.ok
    assert not list(done.folder.glob("adapter*"))
    assert {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"} <= set(left(done.folder))
    network: Any = AutoModelForCausalLM.from_pretrained(done.folder)
    tokenizer = AutoTokenizer.from_pretrained(done.folder)
    with quiet():
        tuned = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), server.model(TUNE).path or "")
    for question in ("Where is my card?", "late 4"):
        assert greedy(network, tokenizer, question) == greedy(tuned, tokenizer, question)
    assert 2 in network.generation_config.eos_token_id, "an answer ends where the chat template ends it"


@pytest.mark.parametrize(
    "config",
    [
        pytest.param({"use_dora": True}, id="DoRA"),
        pytest.param({"use_rslora": True, "lora_alpha": 2}, id="rsLoRA"),
    ],
)
def test_variants_of_lora_are_merged(tmp_path: Path, base: Path, config: dict[str, Any]) -> None:
    assert exported_alone(tmp_path, base, lora(**config), "merged").ok


@pytest.mark.parametrize("kind", ["IA3", "OFT", "VeRA", "LN tuning"])
def test_other_adapters_that_peft_merges_are_merged(tmp_path: Path, base: Path, kind: str) -> None:
    done = exported_alone(tmp_path, base, config_of(kind), "merged", std=0.7)
    assert done.ok, done.check
    assert float(done.check.figures["mean_kl_of_base_nats"] or 0) > 1e-3


def config_of(kind: str) -> Any:
    import peft

    task: dict[str, Any] = {"task_type": "CAUSAL_LM"}
    if kind == "IA3":
        return peft.IA3Config(target_modules=["k_proj", "v_proj", "down_proj"], feedforward_modules=["down_proj"], **task)
    if kind == "OFT":
        return peft.OFTConfig(r=0, oft_block_size=8, target_modules=["q_proj", "v_proj"], **task)
    if kind == "VeRA":
        return peft.VeraConfig(r=8, target_modules=["q_proj"], **task)
    if kind == "LN tuning":
        return peft.LNTuningConfig(target_modules=["input_layernorm", "post_attention_layernorm"], **task)
    return peft.PromptTuningConfig(num_virtual_tokens=4, **task)


def exported_alone(tmp_path: Path, base: Path, config: Any, form: str, *, std: float = 0.1, **more: Any) -> Exported:
    """The export of a job of its own."""
    home = tmp_path / "home"
    finished_job(home, TUNE, base=base, config=config, std=std)
    server = LocalServer(ProviderSettings("local", home))
    wish = Export(form=form, to=tmp_path / "out", **{"prompts": ROWS, **more})  # type: ignore[arg-type]
    return server.export(server.model(TUNE), wish, hear=lambda words: None)


def test_a_learned_prompt_has_no_weights_to_merge_and_the_refusal_says_so(tmp_path: Path, base: Path) -> None:
    with pytest.raises(Unsupported, match="prompt tuning: it learned vectors that stand before a prompt and changed no weights"):
        exported_alone(tmp_path, base, config_of("prompt tuning"), "merged")
    assert not (tmp_path / "out").exists()


def test_a_learned_prompt_leaves_as_an_adapter(tmp_path: Path, base: Path) -> None:
    done = exported_alone(tmp_path, base, config_of("prompt tuning"), "adapter", std=1.0)
    assert done.ok, done.check
    assert float(done.check.figures["mean_kl_of_base_nats"] or 0) > 1e-3


def test_a_whole_model_is_exported_as_it_is_and_has_no_adapter(export: Exporting, tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="whole model and no adapter"):
        export("adapter", name=WHOLE)
    done = export("merged", name=WHOLE)
    assert done.ok
    assert done.check.figures["equal_answers"] == len(ROWS)
    assert done.check.figures["mean_kl_of_base_nats"] is None


def test_a_checkpoint_is_exported_as_it_was_then(export: Exporting, home: Path) -> None:
    done = export("adapter", name=f"{TUNE}@4")
    step = home / "local" / "jobs" / TUNE / "checkpoints" / "step-00000004"
    assert (done.folder / "adapter_model.safetensors").read_bytes() == (step / "adapter_model.safetensors").read_bytes()


def test_an_exported_adapter_and_exported_weights_answer_here_from_their_folders(
    export: Exporting, server: LocalServer, tmp_path: Path
) -> None:
    from tuneport.provider import Generation

    def says(name: str) -> list[str]:
        answers = server.predict(server.model(name), ROWS, generation=Generation(max_tokens=6), needs=frozenset({"text"}))
        return [answer.text for answer in answers]

    adapter, merged = export("adapter", to=tmp_path / "adapter"), export("merged", to=tmp_path / "merged", precision="fp32")
    assert says(str(adapter.folder)) == says(TUNE)
    assert says(str(merged.folder))[0]


def test_rows_held_out_in_training_are_asked_unless_others_are_given(tmp_path: Path, base: Path) -> None:
    validation = tmp_path / "validation.jsonl"
    rows = [{"messages": [{"role": "user", "content": "late 1"}, {"role": "assistant", "content": "Red"}]}] * 12
    validation.write_text("".join(json.dumps(row) + "\n" for row in rows))
    home = tmp_path / "home"
    finished_job(home, TUNE, base=base, validation=validation)
    server = LocalServer(ProviderSettings("local", home))
    done = server.export(server.model(TUNE), Export("adapter", tmp_path / "out"), hear=lambda words: None)
    assert done.check.prompts == 10


def test_without_any_rows_ten_fixed_questions_are_asked(export: Exporting) -> None:
    assert export("adapter", prompts=()).check.prompts == 10


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_weights_are_stored_in_the_precision_that_was_asked_for(export: Exporting, precision: str) -> None:
    from safetensors import safe_open

    done = export("merged", precision=precision)
    assert done.ok, done.check
    with safe_open(done.folder / "model.safetensors", framework="pt") as file:
        kinds = {str(file.get_tensor(name).dtype) for name in file.keys()}  # noqa: SIM118 - no mapping
    assert kinds == {{"fp32": "torch.float32", "bf16": "torch.bfloat16", "fp16": "torch.float16"}[precision]}
    assert json.loads((done.folder / "config.json").read_text())["dtype"] == kinds.pop().removeprefix("torch.")


# --- what fails ------------------------------------------------------------------------------------------------------------------------


def test_an_export_that_answers_otherwise_is_named_failed_and_says_by_how_much(
    export: Exporting, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from tuneport_local.exporting import forms

    real = forms.merge

    def unmerged(tuned: Any) -> Any:
        tuned.base_model.disable_adapter_layers()
        network = real(tuned)
        for weights in network.parameters():
            weights.data.mul_(0.9)
        return network

    monkeypatch.setattr(forms, "merge", unmerged)
    done = export("merged")
    assert not done.ok
    assert "differ from the model's by" in done.check.faults[0]
    assert left(tmp_path) == ["out.failed"]
    assert "does not answer like the model" in (tmp_path / "out.failed" / "README.md").read_text()
    monkeypatch.undo()
    assert export("merged").ok
    assert "out" in left(tmp_path)


def test_weights_that_round_the_tuning_away_are_a_fault(tmp_path: Path, base: Path) -> None:
    done = exported_alone(tmp_path, base, lora(), "merged", std=0.0007, precision="bf16")
    assert not done.ok
    assert "nearer to the base than to the tune" in done.check.faults[0]
    assert exported_alone_again(tmp_path, "merged", precision="fp32").ok


def exported_alone_again(tmp_path: Path, form: str, **more: Any) -> Exported:
    server = LocalServer(ProviderSettings("local", tmp_path / "home"))
    wish = Export(form=form, to=tmp_path / "out", **{"prompts": ROWS, **more})  # type: ignore[arg-type]
    return server.export(server.model(TUNE), wish, hear=lambda words: None)


def test_a_folder_that_is_there_is_left_alone(export: Exporting, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="is there already; an export does not replace anything"):
        export("adapter")
    assert left(tmp_path / "out") == ["mine.txt"]


def test_an_interrupted_export_leaves_nothing(export: Exporting, tmp_path: Path) -> None:
    def stop(words: str) -> None:
        if words.startswith("asking the merged"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export("merged", hear=stop)
    assert left(tmp_path) == []


def test_a_disk_without_room_is_told_before_anything_is_written(export: Exporting, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("tuneport_local.exporting.task.shutil.disk_usage", lambda path: usage._replace(free=10))
    with pytest.raises(ConfigError, match=r"takes about .* MB while it is made, and .* has 0 MB left; nothing was written"):
        export("merged")
    assert left(tmp_path) == []


def test_a_disk_that_fills_while_it_is_written_is_told_and_leaves_nothing(
    export: Exporting, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from tuneport_local.exporting import forms

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(forms, "write_merged", full)
    with pytest.raises(ConfigError, match="could not be written: No space left on device"):
        export("merged")
    assert left(tmp_path) == []


def test_a_base_was_not_tuned_and_is_not_exported(export: Exporting, base: Path) -> None:
    with pytest.raises(Unsupported, match="was not tuned here"):
        export("merged", name=str(base))


def test_a_prompt_that_leaves_no_room_is_refused(export: Exporting, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="prompt 1 is longer than the 480 tokens"):
        export("adapter", prompts=(ChatExample((Message("user", "Zq" * 400),)),))
    assert left(tmp_path) == []


@pytest.mark.parametrize("wrong", [{"form": "onnx"}, {"precision": "int4"}, {"quantise": "q9"}])
def test_what_is_no_form_precision_or_quantisation_is_refused_with_those_there_are(wrong: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Known: "):
        Export(**{"form": "merged", "to": tmp_path, **wrong})  # type: ignore[arg-type]


# --- figures ---------------------------------------------------------------------------------------------------------------------------


def spoken(answer: Sequence[int], *, ended: bool = True) -> figures.Said:
    return figures.Said((1,), tuple(answer), tuple(figures.Place((5, 6), (-0.1, -3.0)) for _ in answer), ended)


def taken(said: figures.Said, *, logs: tuple[float, ...] = (-0.1, -3.0), answer: Sequence[int] | None = None, ended: bool = True) -> Any:
    return figures.Heard(tuple(logs for _ in said.answer), said.answer, tuple(answer if answer is not None else said.answer), ended)


def test_the_divergence_of_the_same_is_nothing_and_grows_with_the_difference() -> None:
    said = [spoken([5, 2])]
    assert figures.mean_kl(said, [taken(said[0])]) == pytest.approx(0)
    small, large = (figures.mean_kl(said, [taken(said[0], logs=(of, -3.0))]) for of in (-0.2, -2.0))
    assert 0 < small < large


def test_a_model_that_gives_no_numbers_is_at_fault() -> None:
    said = [spoken([5, 2])]
    heard = [taken(said[0], logs=(float("nan"), float("nan")))]
    found = figures.figures(said, heard, None)
    assert "differ from the model's by nan" in figures.faults("f16", said, heard, found)[0]


def test_an_answer_that_goes_on_behind_the_same_words_is_a_fault() -> None:
    said = [spoken([5, 2])]
    heard = [taken(said[0], answer=[5, 7, 8], ended=False)]
    assert "1 of 1 answers go on where the model's own end" in figures.faults("f16", said, heard, figures.figures(said, heard, None))[0]


def test_a_tuning_that_changed_nothing_is_told() -> None:
    said = [spoken([5, 2])]
    found = figures.figures(said, [taken(said[0])], [taken(said[0])])
    assert "cannot tell the tune from its base" in figures.remarks("f16", found)[0]


def test_a_coarse_rounding_that_outweighs_the_tuning_is_told_and_no_fault() -> None:
    said = [spoken([5, 2])]
    heard = [taken(said[0], logs=(-0.3, -3.0))]
    found = figures.figures(said, heard, [taken(said[0], logs=(-0.32, -3.0))])
    assert figures.faults("q4_k_m", said, heard, found) == ()
    assert "Rounding to q4_k_m changes these answers" in figures.remarks("q4_k_m", found)[0]


def test_an_export_wish_names_its_file_types_once() -> None:
    assert replace(Export("gguf", Path("x")), quantise="q8_0").quantise == "q8_0"
