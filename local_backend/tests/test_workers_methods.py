"""Every method and kind of weights that several workers train: each step is that of one worker, whoever had its rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tuneport.examples import ChatExample, Example, Message

from .test_workers_divided import FULL
from .tiny import save_tiny, write_chats, write_pairs
from .tiny_headed import pictures, save_bert, save_resnet, save_vit, texts, write_rows
from .together import Compared, compared, recipe_of

pytestmark = pytest.mark.train
PREFERENCES = {"beta": 0.1, "label_smoothing": 0.0}


class Ground:
    """Bases and files of rows, each made once. Eleven rows in steps of four: of the last three the second worker has one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tiny = save_tiny(folder / "tiny")
        self.chats = self.files("chats", lambda path, rows, first: write_chats(path, rows))
        self.pairs = self.files("pairs", lambda path, rows, first: write_pairs(path, rows, first=first))

    def files(self, name: str, write: Callable[[Path, int, int], Path]) -> dict[str, str]:
        train, validation = self.folder / f"{name}.jsonl", self.folder / f"{name}-validation.jsonl"
        return {"train": str(write(train, 11, 0)), "validation": str(write(validation, 5, 20))}

    def labelled(self, name: str, made: Callable[..., Sequence[Any]], **how: Any) -> dict[str, str]:
        return self.files(name, lambda path, rows, first: write_rows(path, list(made(rows, first=first, **how))))

    def bert(self) -> Path:
        return save_bert(self.folder / "bert", dropout=0.0)

    def vit(self) -> Path:
        """Without dropout, which draws other numbers on each worker."""
        folder = save_vit(self.folder / "vit")
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, "hidden_dropout_prob": 0.0}))
        return folder


def plain(rows: int, *, first: int) -> list[Example]:
    """Texts and completions of different lengths."""
    found: list[Example] = []
    for number in range(first, first + rows):
        words = " ".join(["one two three"] * (1 + number % 4))
        text = ChatExample((Message("assistant", f"hello world {words} {number}"),), style="text")
        answer = ChatExample((Message("user", f"card {words}"), Message("assistant", f"Red {number}")), style="completion")
        found.append(answer if number % 3 else text)
    return found


@pytest.fixture(scope="module")
def methods(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    ground = Ground(tmp_path_factory.mktemp("methods"))
    said = ground.labelled("texts", texts)
    scored = ground.labelled("scores", texts, scored=True)
    bert = ground.bert()
    gentle = {"learning_rate": 0.002}
    return compared(
        ground.folder,
        {
            "dpo": recipe_of(ground.tiny, ground.pairs, method="dpo", loss="sigmoid", **PREFERENCES),
            "orpo": recipe_of(ground.tiny, ground.pairs, method="orpo", beta=0.1),
            "reward": recipe_of(ground.tiny, ground.pairs, method="reward", center=0.01),
            "classify": recipe_of(bert, said, method="classify", label_weights="equal", **gentle),
            "regress": recipe_of(ground.tiny, scored, method="regress", **gentle),
        },
    )


@pytest.fixture(scope="module")
def more(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    ground = Ground(tmp_path_factory.mktemp("more"))
    bert, vit = ground.bert(), ground.vit()
    said, scored = ground.labelled("texts", texts), ground.labelled("scores", texts, scored=True)
    seen, rated = ground.labelled("pictures", pictures), ground.labelled("rated", pictures, scored=True)
    weights = {
        "full": FULL,
        "ia3": {"kind": "ia3"},
        "prompt": {"kind": "prompt", "tokens": 4, "text": None},
        "prefix": {"kind": "prefix", "tokens": 4},
        "oft": {"kind": "oft", "block": 8, "targets": "all-linear"},
        "vera": {"kind": "vera", "rank": 8, "targets": "all-linear"},
        "ln": {"kind": "ln"},
    }
    gentle = {"learning_rate": 0.001}
    return compared(
        ground.folder,
        {
            **{name: recipe_of(ground.tiny, ground.chats, lora={"variant": name}) for name in ("rslora", "dora", "pissa")},
            **{name: recipe_of(ground.tiny, ground.chats, weights=table) for name, table in weights.items()},
            "in parts": recipe_of(ground.tiny, ground.chats, at_once=1, gradient_checkpointing=True),
            "dpo in parts": recipe_of(ground.tiny, ground.pairs, method="dpo", loss="sigmoid", at_once=1, **PREFERENCES),
            "labels in parts": recipe_of(bert, said, method="classify", label_weights="equal", at_once=1, **gentle),
            "text": recipe_of(ground.tiny, ground.labelled("plain", plain), format="canonical"),
            "ipo": recipe_of(ground.tiny, ground.pairs, method="dpo", loss="ipo", **PREFERENCES),
            "hinge": recipe_of(ground.tiny, ground.pairs, method="dpo", loss="hinge", **PREFERENCES),
            "robust": recipe_of(ground.tiny, ground.pairs, method="dpo", loss="robust", beta=0.1, label_smoothing=0.1),
            "dpo full": recipe_of(ground.tiny, ground.pairs, method="dpo", loss="sigmoid", weights=FULL, **PREFERENCES, **gentle),
            "reward full": recipe_of(ground.tiny, ground.pairs, method="reward", center=None, weights=FULL, **gentle),
            "balanced": recipe_of(bert, said, method="classify", label_weights="balanced", weights=FULL, **gentle),
            "scores": recipe_of(bert, scored, method="regress", **gentle),
            "decoder": recipe_of(ground.tiny, said, method="classify", label_weights="equal", **gentle),
            "pictures": recipe_of(vit, seen, method="classify", label_weights="equal", **gentle),
            "rated": recipe_of(vit, rated, method="regress", **gentle),
            "resnet": recipe_of(save_resnet(ground.folder / "resnet"), seen, method="classify", label_weights="equal", weights=FULL),
        },
    )


MORE = (
    "rslora",
    "dora",
    "pissa",
    "full",
    "ia3",
    "prompt",
    "prefix",
    "oft",
    "vera",
    "ln",
    "text",
    "ipo",
    "hinge",
    "robust",
    "dpo full",
    "in parts",
    "dpo in parts",
)
HEADED = ("labels in parts", "reward full", "balanced", "scores", "decoder", "pictures", "rated")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dpo", "orpo", "reward", "classify", "regress"])
def test_each_step_of_a_method_is_that_of_one_worker_although_shares_are_uneven(methods: Compared, name: str) -> None:
    assert methods.same_steps(name)


@pytest.mark.slow
def test_what_is_read_beside_the_loss_is_that_of_all_workers(methods: Compared) -> None:
    two = json.loads((methods.told["dpo"].path / "told.json").read_text())["metrics"]
    for (step, one), (same, both) in zip(methods.alone("dpo").metrics, two, strict=True):
        assert step == same
        for name in ("rewards/chosen", "rewards/accuracies", "learned_tokens", "eval_rewards/margins", "tokens"):
            assert (name in one) == (name in both)
            assert one.get(name, 0.0) == pytest.approx(both.get(name, 0.0), abs=1e-5), (step, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*MORE, *HEADED])
def test_so_it_is_with_other_weights_losses_and_rows(more: Compared, name: str) -> None:
    assert more.same_steps(name)


@pytest.mark.slow
def test_a_base_that_normalises_over_its_batches_is_refused_for_several_workers(more: Compared) -> None:
    said = "normalises by the rows that are computed together (batch normalisation), and 2 workers compute them apart"
    assert said in more.told["resnet"].error
