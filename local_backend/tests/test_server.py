"""The Server of this machine: bases and tunes answer side by side, the base in memory once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tuneport_local import provider
from tuneport_local.jobs.folder import JobFolder
from tuneport_local.jobs.home import Jobs
from tuneport_local.server import LocalServer

from tuneport.errors import UnknownModel, Unsupported, UsageError
from tuneport.examples import ChatExample, Example, ImagePart, LabelledExample, Message, TextPart
from tuneport.job import JobState
from tuneport.model import Deployment, Model
from tuneport.provider import Generation, ProviderSettings, Server
from tuneport.testing import ServerConformance

from .tiny import save_tiny

pytestmark = pytest.mark.train

SHORT = Generation(max_tokens=6)
BOTH = frozenset({"text", "log_probabilities"})
FIRST, SECOND = "a" * 32, "ab" * 16


def adapter(base: Path, folder: Path, *, seed: int) -> None:
    """An adapter that changes what the base says, written as a finished job leaves it."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM
    from tuneport_local.quiet import quiet

    with quiet():
        network: Any = AutoModelForCausalLM.from_pretrained(base)
        tuned: Any = get_peft_model(network, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"))
        torch.manual_seed(seed)
        for name, weights in tuned.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weights, std=0.5)
        tuned.save_pretrained(folder, save_embedding_layers=False)


def finished(home: Path, job_id: str, *, base: Path, seed: int) -> JobFolder:
    rows = home / "rows.jsonl"
    rows.write_text("")
    recipe = {"base": str(base), "method": "sft", "client_id": job_id, "dataset_fingerprint": "d", "hyperparameters": {"device": "cpu"}}
    folder, _ = Jobs(home).make(job_id, recipe, {"train": rows})
    adapter(base, folder.adapter, seed=seed)
    adapter(base, folder.checkpoints / "step-00000004", seed=seed + 100)
    (folder.checkpoints / "step-00000004" / "complete.json").write_text("{}")
    (folder.path / "run.json").write_text("{}")
    folder.write_status(replace(folder.status(), state=JobState.SUCCEEDED, finished_at=folder.now()))
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, base: Path) -> Path:
    home = tmp_path_factory.mktemp("home")
    finished(home, FIRST, base=base, seed=1)
    finished(home, SECOND, base=base, seed=2)
    return home


@pytest.fixture(scope="module")
def local(home: Path) -> LocalServer:
    assert provider.open_server is not None
    server = provider.open_server(ProviderSettings("local", home))
    assert isinstance(server, LocalServer)
    return server


@pytest.fixture
def rows() -> Sequence[Example]:
    return [ChatExample((Message("user", f"Where is my card? {n}" + " I lost it." * n), Message("assistant", "Red"))) for n in range(5)]


def said(server: Any, model: Model, rows: Sequence[Example]) -> list[str]:
    return [answer.text for answer in server.predict(model, rows, generation=SHORT, needs=frozenset({"text"}))]


class TestLocalServer(ServerConformance):
    @pytest.fixture
    def server(self, local: LocalServer) -> Server:
        return local

    @pytest.fixture
    def model(self, local: LocalServer) -> Model:
        return local.model(FIRST)

    @pytest.fixture
    def rows(self, rows: Sequence[Example]) -> Sequence[Example]:
        return rows


def test_the_base_and_its_tunes_say_different_things_and_keep_saying_them_when_asked_in_turns(
    local: LocalServer, base: Path, rows: Sequence[Example]
) -> None:
    models = [local.model(name) for name in (str(base), FIRST, SECOND, f"{FIRST}@4")]
    before = [said(local, model, rows) for model in models]
    assert len({tuple(answers) for answers in before}) == 4
    assert [said(local, model, rows) for model in reversed(models)] == list(reversed(before))


def test_two_models_that_answer_at_once_do_not_mix(local: LocalServer, base: Path, rows: Sequence[Example]) -> None:
    alone = [said(local, local.model(name), rows) for name in (str(base), FIRST)]
    messages = [rows[0].messages[:1], rows[1].messages[:1]]  # type: ignore[union-attr]
    both = [local.chat(local.model(name), messages[0], generation=SHORT) for name in (str(base), FIRST)]
    pieces: list[list[str]] = [[], []]
    running = [0, 1]
    while running:
        for place in list(running):
            piece = next(both[place], None)
            pieces[place].append(piece or "")
            if piece is None:
                running.remove(place)
    assert ["".join(part) for part in pieces] == [alone[0][0], alone[1][0]]


def test_a_tune_loaded_beside_another_answers_as_it_does_alone(home: Path, local: LocalServer, rows: Sequence[Example]) -> None:
    said(local, local.model(FIRST), rows)
    beside = said(local, local.model(SECOND), rows)
    assert provider.open_server is not None
    alone = provider.open_server(ProviderSettings("local", home))
    assert [answer.text for answer in alone.predict(alone.model(SECOND), rows, generation=SHORT, needs=frozenset({"text"}))] == beside


def test_the_log_probability_is_that_of_the_reference(local: LocalServer, rows: Sequence[Example]) -> None:
    model = local.model(FIRST)
    red = list(local.predict(model, rows[:1], generation=SHORT, needs=BOTH))
    question = rows[0].messages[:1]  # type: ignore[union-attr]
    longer = [ChatExample((*question, Message("assistant", "Red Blue one two three")))]
    blue = list(local.predict(model, longer, generation=SHORT, needs=BOTH))
    assert red[0].text == blue[0].text
    assert red[0].log_probability_tokens < blue[0].log_probability_tokens
    assert (red[0].log_probability or 0) > (blue[0].log_probability or 0)


def test_a_row_without_a_reference_has_no_log_probability(local: LocalServer) -> None:
    (answer,) = local.predict(local.model(FIRST), [ChatExample((Message("user", "Where?"),))], generation=SHORT, needs=BOTH)
    assert answer.log_probability is None


def test_a_labelled_row_is_asked_by_its_text(local: LocalServer) -> None:
    model = local.model(FIRST)
    labelled, chat = LabelledExample(text="Where?", label="Red"), ChatExample((Message("user", "Where?"), Message("assistant", "Red")))
    assert list(local.predict(model, [labelled], generation=SHORT, needs=BOTH)) == list(
        local.predict(model, [chat], generation=SHORT, needs=BOTH)
    )


def test_models_are_found_by_the_beginning_of_their_id(local: LocalServer) -> None:
    assert local.model("a" * 9).id == FIRST
    assert {model.id for model in local.models()} == {FIRST, SECOND}
    with pytest.raises(UnknownModel, match="aaaa"):
        local.model("aaaa")


@pytest.mark.parametrize("name", [f"{FIRST}@5", "no-such-model", "/no/such/folder"])
def test_a_model_that_is_not_there_is_named(local: LocalServer, name: str) -> None:
    with pytest.raises(UnknownModel, match=name.replace("@", ".*")):
        local.model(name)


def test_a_job_that_is_not_done_has_no_model(tmp_path: Path, base: Path) -> None:
    folder = finished(tmp_path, FIRST, base=base, seed=1)
    (folder.path / "run.json").unlink()
    folder.write_status(replace(folder.status(), state=JobState.RUNNING))
    assert provider.open_server is not None
    server = provider.open_server(ProviderSettings("local", tmp_path))
    with pytest.raises(UnknownModel, match="it is running"):
        server.model(FIRST)
    assert list(server.models()) == []


def test_what_a_local_server_does_not_do_is_refused(local: LocalServer) -> None:
    with pytest.raises(Unsupported, match="labels"):
        local.predict(local.model(FIRST), [], generation=SHORT, needs=frozenset({"labels"}))
    with pytest.raises(Unsupported, match="models serve"):
        local.predict(Deployment("local:d", "local", "d", FIRST, "up"), [], generation=SHORT, needs=frozenset({"text"}))
    with pytest.raises(UsageError, match="no message"):
        local.chat(local.model(FIRST), [], generation=SHORT)


def test_pieces_come_one_at_a_time(local: LocalServer) -> None:
    pieces: Iterator[str] = local.chat(local.model(SECOND), [Message("user", "hello world")], generation=Generation(max_tokens=20))
    assert len(list(pieces)) > 1


def test_an_adapter_that_does_not_fit_is_refused_and_leaves_no_trace_in_what_its_base_says(
    tmp_path: Path, base: Path, rows: Sequence[Example]
) -> None:
    """One of another shape in half of its weights, and one that lacks some."""
    from safetensors.torch import load_file, save_file

    assert provider.open_server is not None
    for number, damage in enumerate(("shape", "absence")):
        job_id = f"{number}" * 32
        path = finished(tmp_path, job_id, base=base, seed=3).adapter / "adapter_model.safetensors"
        tensors = load_file(path)
        hurt = sorted(tensors)[len(tensors) // 2 :]
        changed = {name: tensor[:, :2].contiguous() if name in hurt and damage == "shape" else tensor for name, tensor in tensors.items()}
        save_file({name: tensor for name, tensor in changed.items() if name not in hurt or damage == "shape"}, path)
        server = provider.open_server(ProviderSettings("local", tmp_path))
        plain = server.model(str(base))
        fresh = provider.open_server(ProviderSettings("local", tmp_path))

        with pytest.raises(UnknownModel, match="does not fit its base"):
            said(server, server.model(job_id), rows)

        assert said(server, plain, rows) == said(fresh, plain, rows)
        assert said(server, server.model(f"{job_id}@4"), rows) == said(fresh, fresh.model(f"{job_id}@4"), rows)


def test_an_image_is_refused_and_not_passed_over(local: LocalServer, base: Path) -> None:
    looked_at = ChatExample((Message("user", (TextPart("What is it?"), ImagePart("https://example.com/cat.png"))),))
    with pytest.raises(UsageError, match="images or other media"):
        list(local.predict(local.model(str(base)), [looked_at], generation=SHORT, needs=frozenset({"text"})))


def test_the_same_question_gets_other_draws_however_many_rows_lie_between(local: LocalServer) -> None:
    asked = [ChatExample((Message("user", "Where?"),))] * 200
    warm = Generation(max_tokens=8, temperature=1.5, seed=1)
    texts = [answer.text for answer in local.predict(local.model(FIRST), asked, generation=warm, needs=frozenset({"text"}))]
    assert len(set(texts)) > 190


def test_bases_that_were_not_asked_for_longest_are_forgotten_and_come_back(tmp_path: Path, rows: Sequence[Example]) -> None:
    import gc
    import weakref

    assert provider.open_server is not None
    server = provider.open_server(ProviderSettings("local", tmp_path))
    assert isinstance(server, LocalServer)
    bases = [server.model(str(save_tiny(tmp_path / f"base{layers}", layers=layers))) for layers in (1, 2, 3)]
    before = said(server, bases[0], rows)
    first = weakref.ref(server._resident()._bases[0].loaded.model)
    for model in bases[1:]:
        said(server, model, rows)
    gc.collect()
    assert first() is None
    assert said(server, bases[0], rows) == before
