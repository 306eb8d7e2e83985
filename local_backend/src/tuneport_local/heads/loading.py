"""Bases with a head of their own on top, from disk into memory: new for a training, trained for answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneport.errors import RecipeError, UnknownModel
from tuneport_local.bases.loading import cannot_load, placed, some, torch_dtype
from tuneport_local.heads.head import Head, Medium
from tuneport_local.quiet import quiet

if TYPE_CHECKING:
    from tuneport_local.training.joblog import JobLog
    from tuneport_local.training.spec import TrainingSpec

_POOLER = ".pooler."
"""What some encoders have between their blocks and a head, and checkpoints of their pretraining often have not."""


@dataclass(frozen=True, slots=True)
class Headed:
    """A base with a head. `modules` are the names of what is trained whole: the head, and what was made at random below it. `new` says
    whether the head was made here, and not read with the base."""

    model: Any
    modules: tuple[str, ...]
    new: bool


def refuse_headless(folder: Path, medium: Medium, *, trust_remote_code: bool = False) -> None:
    """Raises UnknownModel when transformers gives models of this kind no head over texts, or over images."""
    config = _config(folder, trust_remote_code)
    if type(config) not in _auto(medium)._model_mapping and not trust_remote_code:
        takes = "image" if medium == "text" else "text"
        other = type(config) in _auto("image" if medium == "text" else "text")._model_mapping
        remedy = f"It takes {takes}s." if other else "Choose a base such as BERT or Llama for texts, ViT or ResNet for images."
        raise UnknownModel(f"{folder} is a {config.model_type}, and there is no head for {medium}s on top of one.", remedy=remedy)


def load_headed(
    folder: Path,
    head: Head,
    *,
    dtype: str,
    device: str,
    padding: int | None = None,
    seed: int = 0,
    trained: bool = False,
    trust_remote_code: bool = False,
) -> Headed:
    """The model in `folder` under `head`, in evaluation mode. `padding` is the token that fills batches, where the model names none itself.

    A head that the folder has is kept where its labels are the same in the same order, else made anew; with `trained`, it must be there.
    Raises UnknownModel when transformers cannot read it, or when more than the head is missing.
    """
    from transformers import set_seed

    set_seed(seed)
    config = _config(folder, trust_remote_code)
    same = _labels_of(config) == head.labels
    _tell(config, head, padding)
    try:
        with quiet():
            model, told = _auto(head.medium).from_pretrained(
                folder,
                config=config,
                dtype=torch_dtype(dtype),
                use_safetensors=True,
                ignore_mismatched_sizes=True,
                trust_remote_code=trust_remote_code,
                local_files_only=True,
                output_loading_info=True,
            )
    except Exception as error:  # transformers, tokenizers, safetensors and the system each raise their own
        raise cannot_load(folder, error) from None
    lacking = {*told["missing_keys"], *(name for name, *_ in told["mismatched_keys"])}
    _refuse_holes(folder, model, lacking, trained=trained)
    names, there = _names(model), not any(_is_head(model, name) for name in lacking)
    if there and not same and not trained:
        _made_anew(model, names)
    below = dict.fromkeys(_module_of(name) for name in sorted(lacking) if not _is_head(model, name))
    return Headed(placed(model, device).eval(), (*names, *below), new=not (there and (same or trained)))


def load_for(job: JobLog, spec: TrainingSpec, folder: Path, head: Head, *, dtype: str, device: str, reader: Any) -> Headed:
    """The base of a job under the head that its rows ask for; the job hears whether that is new. Raises like `load_headed`, and RecipeError
    for weights that such a model has no place for."""
    headed = load_headed(
        folder,
        head,
        dtype=dtype,
        device=device,
        padding=getattr(reader, "pad_token_id", None),
        seed=spec.seed,
        trust_remote_code=spec.trust_remote_code,
    )
    if not spec.kind.whole:
        refuse_moving_statistics(headed.model, spec.base)
    job.event("info", f"the head ({', '.join(headed.modules)}) is {'new' if headed.new else 'the one that the base has'}")
    return headed


def load_processor(folder: Path, *, trust_remote_code: bool = False) -> Any:
    """What makes pixels of pictures for the model in `folder`, without torchvision. Raises UnknownModel."""
    from transformers import AutoImageProcessor

    try:
        with quiet():
            return AutoImageProcessor.from_pretrained(folder, backend="pil", trust_remote_code=trust_remote_code, local_files_only=True)
    except Exception as error:  # transformers and the system each raise their own
        raise cannot_load(folder, error) from None


def refuse_moving_statistics(model: Any, base: str) -> None:
    """Raises RecipeError for adapters on a model that keeps statistics of its batches, which change in training."""
    names = {type(module).__name__ for module in model.modules() if getattr(module, "running_mean", None) is not None}
    if names:
        raise RecipeError(
            f"{base} keeps statistics of its batches ({', '.join(sorted(names))}), which change in training and which no adapter holds.",
            remedy="Train all weights: weights = 'full'.",
        )


def _config(folder: Path, trust_remote_code: bool) -> Any:
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=trust_remote_code, local_files_only=True)
    except Exception as error:  # an unknown kind of model, code of its own that was not allowed, a broken file
        raise cannot_load(folder, error) from None


def _auto(medium: Medium) -> Any:
    from transformers import AutoModelForImageClassification, AutoModelForSequenceClassification

    return AutoModelForImageClassification if medium == "image" else AutoModelForSequenceClassification


def _labels_of(config: Any) -> tuple[str, ...]:
    return tuple(str(name) for _, name in sorted(config.id2label.items()))


def _tell(config: Any, head: Head, padding: int | None) -> None:
    """Puts the head into the model's configuration, which others read labels from."""
    names = head.labels or ("score",)
    config.id2label = dict(enumerate(names))
    config.label2id = {name: place for place, name in enumerate(names)}
    config.problem_type = "single_label_classification" if head.labels else "regression"
    text = config.get_text_config()
    known = getattr(text, "pad_token_id", None)
    if head.medium == "text" and padding is not None and (known is None or not 0 <= known < text.vocab_size):
        text.pad_token_id = padding


def _is_head(model: Any, name: str) -> bool:
    return not name.startswith(f"{model.base_model_prefix}.")


def _names(model: Any) -> tuple[str, ...]:
    """The modules on top that have weights."""
    inner = model.base_model_prefix
    return tuple(name for name, module in model.named_children() if name != inner and next(module.parameters(), None) is not None)


def _module_of(name: str) -> str:
    return name.rpartition(".")[0]


def _refuse_holes(folder: Path, model: Any, lacking: set[str], *, trained: bool) -> None:
    holes = [name for name in lacking if trained or not (_is_head(model, name) or _POOLER in name)]
    if holes:
        what = "no trained head" if all(_is_head(model, name) for name in holes) else "no whole model"
        raise UnknownModel(f"{folder} holds {what}: it lacks {some(holes)}, which would be made up at random.")


def _made_anew(model: Any, names: Sequence[str]) -> None:
    """A head with the right number of outputs for other labels knows nothing of ours."""
    for name in names:
        for module in model.get_submodule(name).modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
