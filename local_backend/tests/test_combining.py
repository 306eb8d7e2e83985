"""Adapters of one base made into one: what it does is the weighted sum of what they do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tuneport_local import provider
from tuneport_local.adapters.prefixed import Prefixed
from tuneport_local.bases import weights
from tuneport_local.server import LocalServer

from tuneport.combining import Combination
from tuneport.errors import UnknownModel, Unsupported, UsageError
from tuneport.examples import ChatExample, Message
from tuneport.model import Model
from tuneport.provider import Generation, ProviderSettings

from .tiny import save_tiny

pytestmark = pytest.mark.train
QUESTION = ChatExample((Message("user", "Where is my card?"), Message("assistant", "Red")))


class Home:
    """A home with a base and, made as they are asked for, adapters of any kind in folders."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.base = save_tiny(folder / "base")
        assert provider.open_server is not None
        opened = provider.open_server(ProviderSettings("local", folder))
        assert isinstance(opened, LocalServer)
        self.server = opened

    def adapter(self, name: str, config: Any, *, seed: int, base: Path | None = None) -> Model:
        from peft import get_peft_model
        from tuneport_local.quiet import quiet

        folder = self.folder / name
        if not folder.exists():
            with quiet():
                tuned: Any = get_peft_model(weights.load(str(base or self.base), home=self.folder).model, config)
                torch.manual_seed(seed)
                for parameter in tuned.parameters():
                    if parameter.requires_grad:
                        parameter.data += torch.randn_like(parameter) * 0.1
                tuned.save_pretrained(folder, save_embedding_layers=False)
        return self.server.model(str(folder))

    def lora(self, name: str, *, rank: int = 4, seed: int = 1, base: Path | None = None, **more: Any) -> Model:
        from peft import LoraConfig

        given = {"r": rank, "lora_alpha": 2 * rank, "target_modules": "all-linear", "task_type": "CAUSAL_LM", **more}
        return self.adapter(name, LoraConfig(**given), seed=seed, base=base)

    def update(self, model: Model) -> torch.Tensor:
        """What an adapter adds to one layer's weights."""
        tuned = weights.load(str(self.base), home=self.folder, adapter=Path(model.path or "")).model
        found = next(module for name, module in tuned.named_modules() if name.endswith("layers.1.mlp.down_proj"))
        added: torch.Tensor = found.get_delta_weight("default").detach()
        return added

    def score(self, model: Model) -> float:
        """The log-probability of one answer."""
        (found,) = self.server.predict(model, [QUESTION], generation=Generation(max_tokens=4), needs=frozenset({"log_probabilities"}))
        assert found.log_probability is not None
        return found.log_probability


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("home"))


def test_side_by_side_they_do_exactly_the_weighted_sum_and_the_folder_answers(home: Home, tmp_path: Path) -> None:
    one, two = home.lora("one", rank=4, seed=1), home.lora("two", rank=8, seed=2, use_rslora=True)

    made = home.server.combine(Combination(((one, 0.7), (two, -0.5)), tmp_path / "both"))

    wanted = 0.7 * home.update(one) - 0.5 * home.update(two)
    assert torch.allclose(home.update(made), wanted, atol=1e-5)
    assert (made.base, made.uri) == (str(home.base), f"local:{tmp_path / 'both'}")
    assert len({home.score(model) for model in (one, two, made)}) == 3
    assert json.loads((tmp_path / "both" / "run.json").read_text())["combined"]["parts"][1]["weight"] == -0.5


@pytest.mark.parametrize("how", ["linear", "svd", "ties", "dare_linear", "dare_ties", "magnitude_prune"])
def test_other_ways_give_an_adapter_of_one_of_their_ranks_that_lies_near_the_sum(home: Home, how: Any, tmp_path: Path) -> None:
    one, two = home.lora("one", rank=4, seed=1), home.lora("three", rank=4, seed=3)

    made = home.server.combine(Combination(((one, 0.5), (two, 0.5)), tmp_path / how, how, 0.8))

    wanted, found = 0.5 * home.update(one) + 0.5 * home.update(two), home.update(made)
    likeness = torch.nn.functional.cosine_similarity(wanted.flatten(), found.flatten(), dim=0)
    assert json.loads((tmp_path / how / "adapter_config.json").read_text())["r"] == 4
    assert float(likeness) > 0.3


def test_factors_are_combined_as_well(home: Home, tmp_path: Path) -> None:
    from peft import IA3Config

    one, two = (
        home.adapter(
            f"ia3-{seed}",
            IA3Config(target_modules=["k_proj", "down_proj"], feedforward_modules=["down_proj"], task_type="CAUSAL_LM"),
            seed=seed,
        )
        for seed in (1, 2)
    )

    made = home.server.combine(Combination(((one, 0.5), (two, 0.5)), tmp_path / "both", "linear"))

    assert len({home.score(model) for model in (one, two, made)}) == 3
    with pytest.raises(Unsupported, match="are combined by 'linear' alone"):
        home.server.combine(Combination(((one, 0.5), (two, 0.5)), tmp_path / "no"))


def test_what_does_not_go_together_is_refused_with_the_reason(home: Home, tmp_path: Path) -> None:
    from peft import LNTuningConfig

    one, dora = home.lora("one", rank=4, seed=1), home.lora("dora", use_dora=True)
    wide = home.lora("two", rank=8, seed=2, use_rslora=True)
    elsewhere = home.lora("elsewhere", base=save_tiny(home.folder / "other", layers=1))
    norms = [home.adapter(f"ln{seed}", LNTuningConfig(target_modules=["norm"], task_type="CAUSAL_LM"), seed=seed) for seed in (1, 2)]
    base = home.server.model(str(home.base))
    refused: list[tuple[list[Model], str, str]] = [
        ([one, elsewhere], "cat", "adapters of different bases cannot be combined: these stand on .*base, .*other"),
        ([one, norms[0]], "cat", "adapters of different kinds cannot be combined: these are ln, lora"),
        (norms, "cat", "adapters of kind 'ln' cannot be combined"),
        ([one, dora], "cat", "is of variant 'dora', whose lengths have no sum"),
        ([one, base], "cat", "is a whole model, not an adapter"),
        ([one, wide], "linear", "cannot be combined by 'linear'"),
    ]

    for models, how, words in refused:
        with pytest.raises(Unsupported, match=words):
            home.server.combine(Combination(tuple((model, 1.0) for model in models), tmp_path / "no", how))  # type: ignore[arg-type]
        assert not (tmp_path / "no").exists()


def test_a_folder_that_is_there_is_left_alone_and_one_adapter_is_no_combination(home: Home, tmp_path: Path) -> None:
    one, two = home.lora("one", rank=4, seed=1), home.lora("two", rank=8, seed=2, use_rslora=True)

    with pytest.raises(UsageError, match="is there already"):
        home.server.combine(Combination(((one, 1.0), (two, 1.0)), tmp_path))
    with pytest.raises(UsageError, match="two adapters at least"):
        Combination(((one, 1.0),), tmp_path)
    with pytest.raises(UsageError, match="unknown way to combine 'mix'"):
        Combination(((one, 1.0), (two, 1.0)), tmp_path, "mix")  # type: ignore[arg-type]


def test_the_command_line_reads_a_weight_behind_the_last_colon_and_names_the_result(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tuneport.cli import main

    monkeypatch.setenv("TUNEPORT_HOME", str(tmp_path / "home"))
    one, two = home.lora("one", rank=4, seed=1), home.lora("three", rank=4, seed=3)

    code = main(["--json", "models", "combine", f"{one.uri}:0.25", two.uri, "--to", str(tmp_path / "both"), "--method", "svd"])

    run = json.loads((tmp_path / "both" / "run.json").read_text())
    assert (code, json.loads(capsys.readouterr().out)["uri"]) == (0, f"local:{tmp_path / 'both'}")
    assert [part["weight"] for part in run["combined"]["parts"]] == [0.25, 1.0]


# --- tunes of all kinds in one memory ----------------------------------------------------------------------------------------------------


def test_tunes_of_different_kinds_answer_in_turns_and_the_base_stays_as_it_is(home: Home) -> None:
    """LoRA, factors and learned tokens: what one says does not depend on who was asked before."""
    from peft import IA3Config, PromptTuningConfig

    plain = home.server.model(str(home.base))
    factors = IA3Config(target_modules=["k_proj", "down_proj"], feedforward_modules=["down_proj"], task_type="CAUSAL_LM")
    prompt = PromptTuningConfig(num_virtual_tokens=4, task_type="CAUSAL_LM")
    models = [plain, home.lora("one", rank=4, seed=1), home.adapter("ia3-1", factors, seed=1), home.adapter("prompt", prompt, seed=1)]
    first = [home.score(model) for model in models]

    assert len(set(first)) == 4
    assert [home.score(model) for model in reversed(models)] == list(reversed(first))
    with home.server._resident().answering(models[3]) as network:
        assert isinstance(network, Prefixed)


def test_an_adapter_that_is_none_is_refused(home: Home, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "base_model_name_or_path": str(home.base)}))

    with pytest.raises(UnknownModel, match=r"adapter_model\.safetensors"):
        home.score(home.server.model(str(tmp_path)))
