"""trl's GRPOTrainer over prompts that are already rendered. The loss and what is made of the scores of a group are trl's own.

Replaced are: how answers are drawn (each from a stream of chance of its own, so that a job that goes on draws what it would have drawn;
rows that have ended leave the batch; the client's wish is looked at between tokens), the order of the prompts, and validation.

A pause or a failure while answers are drawn finds the state whole: nothing of the step has been learned yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from tuneport.errors import JobFailed, RecipeError
from tuneport.provider import Generation
from tuneport_local.adapters.files import base_is_reference
from tuneport_local.adapters.trainable import is_adapted
from tuneport_local.bases.generation import end_tokens
from tuneport_local.bases.sampling import Sampling, sample, seeds_for
from tuneport_local.methods.batches import GroupOrder, as_prompts
from tuneport_local.methods.rewards import Marks, Rewards
from tuneport_local.plans.reinforcement import grading_of
from tuneport_local.rows.prompts import RenderedPrompt
from tuneport_local.training.assembly import Parts, adapted, settings
from tuneport_local.training.watched import Batch, Collate, Stopped, Watched

if TYPE_CHECKING:
    from tuneport_local.training.joblog import JobLog

_COPY = "ref"
"""What trl calls the copy of the adapters that it makes."""
_READINGS = {
    "reward": "rewards/mean",
    "reward_std": "rewards/std",
    "frac_reward_zero_std": "rewards/no_signal",
    "completions/mean_length": "answers/mean_length",
    "completions/clipped_ratio": "answers/cut",
    "entropy": "entropy",
    "kl": "kl",
}
"""What is told of what trl measures, under our names. `no_signal`: the share of groups whose answers all score alike."""
_SILENT_STEPS = 10


def assemble(parts: Parts[RenderedPrompt]) -> GroupTrainer:
    """The trainer of a job."""
    own, usual = parts.spec.own, settings(parts)
    sequences = parts.spec.batch_size * own["samples_per_prompt"]
    arguments = GRPOConfig(
        **{**usual, "gradient_accumulation_steps": sequences // parts.fit.micro_batch},
        num_generations=own["samples_per_prompt"],
        max_completion_length=own["max_tokens"],
        temperature=own["temperature"],
        beta=own["beta"],
        disable_dropout=parts.spec.lora.dropout == 0,
    )
    _refuse_output_layer(parts)
    trainer = GroupTrainer(
        model=adapted(parts),
        arguments=arguments,
        rows=as_prompts(parts.rows.rows),
        tokenizer=parts.tokenizer,
        collate=_unasked,
        validation=[{"rows": parts.validation.rows}] if parts.validation else [],
        watcher=parts.run,
        callback=parts.run,
    )
    trainer.begin(parts)
    return trainer


def _unasked(rows: Sequence[dict[str, Any]]) -> Batch:
    raise AssertionError("GRPOTrainer makes no batches of rows")


def _refuse_output_layer(parts: Parts[RenderedPrompt]) -> None:
    """trl multiplies by the output layer's weights itself: adapters on it would learn nothing."""
    layer, targets = parts.model.get_output_embeddings(), parts.spec.lora.targets
    name = next((name for name, module in parts.model.named_modules() if module is layer), "")
    if not isinstance(targets, str) and any(name == target or name.endswith(f".{target}") for target in targets):
        raise RecipeError(f"lora.targets names {name}, which reinforcement reads past its adapters.", remedy="Leave it out.")


class _Graded(GRPOTrainer):  # type: ignore[misc]
    """Takes what `Watched` hands to every trainer of trl, and gives GRPOTrainer a method of its own as the reward."""

    def __init__(self, *, model: Any, args: Any, train_dataset: Any, processing_class: Any, data_collator: Collate, callbacks: Any) -> None:
        super().__init__(
            model=model,
            reward_funcs=[self.rewarded],
            args=args,
            train_dataset=train_dataset,
            processing_class=processing_class,
            callbacks=callbacks,
        )

    def rewarded(self, completions: Sequence[str], row: Sequence[int], **_given: Any) -> list[float]:
        """The scores of answers to the rows of these numbers."""
        raise NotImplementedError


class GroupTrainer(Watched, _Graded):
    """See the module."""

    def built(self) -> None:
        if is_adapted(self.model) and _COPY in self.model.peft_config and base_is_reference(self.model):
            self.model.delete_adapter(_COPY)  # a copy of new adapters says what the base alone says, and costs memory and time
        self._silent = 0
        self._marks: list[Marks] = []

    def begin(self, parts: Parts[RenderedPrompt]) -> None:
        """What else it needs than trl's trainer does."""
        self._job: JobLog = parts.job
        self._rows = parts.rows.rows
        self._own = parts.spec.own
        self._rewards = Rewards(grading_of(parts.spec), parts.job)
        self._ends = end_tokens(parts.model, parts.tokenizer)
        self.eos_token_ids = sorted(self._ends)

    def train(self, resume_from_checkpoint: str | None = None) -> Any:
        """Ends the graders' processes when it ends, however it does."""
        try:
            return super().train(resume_from_checkpoint=resume_from_checkpoint)
        finally:
            self._rewards.close()

    def tokens_in(self, batch: Batch) -> int:
        """They are counted where they are drawn."""
        return 0

    # --- answers and scores ----------------------------------------------------------------------------------------------------------

    def _tokenize_prompts(self, prompts: list[Any]) -> tuple[list[list[int]], None, dict[str, Any]]:
        return [list(prompt) for prompt in prompts], None, {}

    def _generate_single_turn(
        self, prompt_ids: list[list[int]], images: Any, multimodal_fields: Any, num_generations: int, has_tool_images: bool = False
    ) -> tuple[list[list[int]], None]:
        seeds = seeds_for(len(prompt_ids), seed=self.args.seed, step=self.state.global_step)
        sampling = self._sampling(self._own["temperature"], look=self._look)
        with self._answering():
            found = sample(self.model, prompt_ids[::num_generations], seeds=seeds, sampling=sampling, times=num_generations)
        self._watcher.counted(sum(map(len, prompt_ids)) + sum(map(len, found)))
        return found, None

    def rewarded(self, completions: Sequence[str], row: Sequence[int], **_given: Any) -> list[float]:
        rows = [self._rows[place] for place in row]
        first = self.state.global_step == 0
        try:
            marks = self._rewards.marks(rows, completions, purpose="train", strict=first, look=self._look)
        except JobFailed:
            self._watcher.save_if_new(self)
            raise
        self._marks.append(marks)
        self._tell_silence(marks)
        return list(marks.scores)

    def _sampling(self, temperature: float, *, look: Any) -> Sampling:
        return Sampling(Generation(max_tokens=self._own["max_tokens"], temperature=temperature), self._ends, look)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """In the precision that is trained in; dropout and the recomputing of activations, which forgets what was read, are off."""
        training = self.model.training
        self.model.eval()
        try:
            with self.compute_loss_context_manager():
                yield
        finally:
            self.model.train(training)

    def _look(self) -> None:
        try:
            self._watcher.look_in_validation()
        except Stopped as stopped:
            if stopped.wish == "pause":
                self._watcher.save_if_new(self)
            raise

    def _tell_silence(self, marks: Marks) -> None:
        size = self._own["samples_per_prompt"]
        groups = [marks.scores[start : start + size] for start in range(0, len(marks.scores), size)]
        self._silent = self._silent + 1 if all(max(group) - min(group) < 1e-9 for group in groups) else 0
        if self._silent == 1 or (self._silent and self._silent % _SILENT_STEPS == 0):
            self._job.event("warning", _silence(self._silent, self.state.global_step + 1, marks))

    # --- readings and validation -----------------------------------------------------------------------------------------------------

    def readings(self) -> dict[str, float]:
        """Of trl's what is told, and what the grader said beside its score, each the mean over the steps since it was last asked."""
        found = super().readings()
        told = {ours: found[theirs] for theirs, ours in _READINGS.items() if theirs in found}
        marks, self._marks = [each.told() for each in self._marks], []
        names = dict.fromkeys(name for each in marks for name in each)
        return {**told, **{name: sum(each.get(name, 0.0) for each in marks) / len(marks) for name in names}}

    def measured(self, batches: Sequence[Batch]) -> dict[str, float]:
        """The mean reward of one greedy answer to each validation prompt, or of as many drawn ones as `eval_samples` says. `loss` is the
        mean with its sign turned: smaller is better, as everywhere."""
        drawn, look = self._own["eval_samples"], self._watcher.look_in_validation
        times, asked = max(1, drawn), [row for batch in batches for row in batch["rows"]]
        rows = [row for row in asked for _ in range(times)]
        sampling = self._sampling(self._own["temperature"] if drawn else 0.0, look=look)
        seeds, prompts = seeds_for(len(rows), seed=self.args.seed, step=-1), [list(row.prompt.input_ids) for row in asked]
        with self._answering():
            found = sample(self.model, prompts, seeds=seeds, sampling=sampling, times=times)
        texts = self.processing_class.batch_decode(found, skip_special_tokens=True)
        marks = self._rewards.marks(rows, texts, purpose="validation", strict=False, look=look)
        length = sum(map(len, found)) / len(found)
        return {"loss": -marks.mean, "rewards/mean": marks.mean, **marks.told(), "answers/mean_length": length}

    # --- order -----------------------------------------------------------------------------------------------------------------------

    def _get_train_sampler(self, train_dataset: Any = None) -> GroupOrder:
        return GroupOrder(
            len(self.train_dataset),
            seed=self.args.seed,
            prompts=self.args.generation_batch_size // self.num_generations,
            answers=self.num_generations,
            parts=self.args.steps_per_generation,
        )


def _silence(steps: int, step: int, marks: Marks) -> str:
    what = f"at step {step}" if steps == 1 else f"in {steps} steps in a row, up to step {step},"
    return (
        f"{what} all answers to a prompt scored alike (mean {marks.mean:.3g}), for every prompt: nothing can be learned from them. "
        "Where they are all wrong, ask for something easier or give a part of the score for less; where they are all right, it is learned."
    )
