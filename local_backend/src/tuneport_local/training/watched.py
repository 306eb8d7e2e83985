"""What all trainers of trl get from us, whatever they train for: stoppable, exactly repeatable, and telling the job instead of the world.

Of trl's trainers we keep the loop, the loss, the optimizer, accelerate and peft. Replaced are: validation (over batches made beforehand,
stoppable), what a checkpoint holds and how it is written, the order of the rows, and the log (the job's). Nothing is sent anywhere: trl's
usage ping is off.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from transformers import PrinterCallback, Trainer
from transformers.trainer import OPTIMIZER_NAME, SCHEDULER_NAME

from tuneport.errors import TuneportError
from tuneport_local.adapters import files as adapter_files
from tuneport_local.adapters.trainable import is_adapted
from tuneport_local.bases import divided
from tuneport_local.bases.divided import Gathered, is_divided
from tuneport_local.jobs.failures import OutOfMemory, first_line, out_of_memory
from tuneport_local.methods.batches import EpochOrder
from tuneport_local.training.group import ALONE, Group

Batch = dict[str, Any]
ROWS = "rows that count"
"""What a batch calls the number of its rows that are learned from, where it says it: 0 in one that only fills a share."""
Collate = Callable[[Sequence[dict[str, Any]]], Batch]


class Stopped(Exception):
    """The training shall end here. `wish` is the client's, pause or cancel, or 'enough': it was over already when it began."""

    def __init__(self, wish: str) -> None:
        super().__init__(wish)
        self.wish = wish


class Watcher(Protocol):
    """Hears of what the trainer does, and decides what is done after a step."""

    def look(self) -> None:
        """Called before every part of a batch. Raises Stopped when the training shall end."""

    def look_in_validation(self) -> None:
        """The same before every batch of a validation."""

    def logged(self, step: int, values: dict[str, float]) -> None: ...

    def counted(self, tokens: int) -> None: ...

    def lost(self, loss: float) -> None:
        """The loss of one part of a batch, as its share of the step's."""

    def evaluated(self, step: int, values: Mapping[str, float], seconds: float) -> None:
        """`values` has `loss`, and what else the objective measures."""

    def decide(self, trainer: Watched) -> None:
        """Called after each validation: whether it is saved, and whether it was the last. Raises Stopped where nothing is left to train."""

    def save_before_less(self, trainer: Watched, *, evaluation_due: bool) -> None:
        """Called when the memory ran out, before the training goes on with less of it."""

    def not_finite(self, trainer: Watched, what: str, value: float) -> TuneportError:
        """The end of a training whose loss, gradient or validation loss is no number."""

    def save(self, trainer: Watched, *, evaluation_due: bool = False) -> None: ...

    def save_if_new(self, trainer: Watched) -> None:
        """A checkpoint of what has been trained since the last one, if anything."""


class Watched(Trainer):  # type: ignore[misc]
    """See the module. To be put before a trainer of trl: `class PortTrainer(Watched, SFTTrainer)`.

    `watcher` is whoever runs the job; `collate` makes batches of rows, `validation` are batches already made. `beside` is what only this
    trainer of trl takes, `group` are the processes that train together.
    """

    def __init__(
        self,
        *,
        model: Any,
        arguments: Any,
        rows: Any,
        tokenizer: Any,
        collate: Collate,
        validation: Sequence[Batch],
        watcher: Watcher,
        callback: Any,
        beside: Mapping[str, Any] | None = None,
        group: Group = ALONE,
    ) -> None:
        self._watcher = watcher
        self._group = group
        self._validation = validation
        self._layered = getattr(model, "layered", None)
        finely = {name: each.data for name, each in model.named_parameters() if each.requires_grad and is_adapted(model)}
        super().__init__(
            model=model,
            args=arguments,
            train_dataset=rows,
            processing_class=tokenizer,
            data_collator=collate,
            callbacks=[callback],
            **(beside or {}),
        )
        for name, data in finely.items():
            self.model.get_parameter(name).data = data  # trl rounds adapters of a quantized base to bf16
        self.remove_callback(PrinterCallback)
        self.built()

    @property
    def company(self) -> Group:
        """Those who have to take part in whatever one of them computes: all, where the base is divided among them."""
        return self._group if is_divided(self.model) else ALONE

    @property
    def in_parts(self) -> bool:
        """Whether what is trained is itself divided among the processes."""
        return is_divided(self.model) and not is_adapted(self.model)

    # --- what an objective says of itself --------------------------------------------------------------------------------------------

    def built(self) -> None:
        """Called once, when trl's trainer is put together."""

    def tokens_in(self, batch: Batch) -> int:
        """Tokens of the rows of a batch."""
        raise NotImplementedError

    def measured(self, batches: Sequence[Batch]) -> dict[str, float]:
        """`loss` over validation batches, and what else there is to measure. `ready` is to be called on each before it is used."""
        raise NotImplementedError

    def readings(self) -> dict[str, float]:
        """What trl's trainer measured beside the loss since it was last asked, each the mean over the parts of batches since."""
        kept = self._metrics["train"]
        found = self.means({name: values for name, values in kept.items() if values and name != "num_tokens"})
        kept.clear()
        return found

    def means(self, kept: Mapping[str, Sequence[Any]]) -> dict[str, float]:
        """Of what was measured in each part of a batch since it was last asked."""
        return {name: sum(values) / len(values) for name, values in kept.items()}

    def ready(self, batch: Batch) -> Batch:
        """The batch on the device. Raises Stopped when the training shall end."""
        self._watcher.look_in_validation()
        prepared: Batch = self._prepare_inputs(batch)
        return prepared

    # --- one step ------------------------------------------------------------------------------------------------------------------

    def training_step(self, model: Any, inputs: Batch, num_items_in_batch: Any = None) -> Any:
        self._watcher.look()
        if self._layered is not None and self._layered.gradual:
            self._layered.thaw(self.model, step=self.state.global_step)
        nothing = isinstance(inputs, Mapping) and not inputs.get(ROWS, 1)  # a batch of another method may be a list
        self._watcher.counted(0 if nothing else self.tokens_in(inputs))
        try:
            loss = super().training_step(model, inputs, num_items_in_batch)
        except (RuntimeError, MemoryError) as error:
            raise self._as_told(error, evaluation_due=False) from None
        (total,) = self._group.added(float(loss))
        if not math.isfinite(total):
            raise self._watcher.not_finite(self, "loss", total)
        self._watcher.lost(total / self._group.size)
        return loss

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        norm = divided.whole(super()._get_grad_norm(model, grad_norm=grad_norm))
        if norm is not None and not math.isfinite(float(norm)) and self.accelerator.scaler is None:
            raise self._watcher.not_finite(self, "gradient", float(norm))
        return norm

    def floating_point_ops(self, inputs: Batch) -> int:
        """Not counted: it walks over all parameters at every step."""
        return 0

    # --- validation and log --------------------------------------------------------------------------------------------------------

    def evaluate(self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval") -> dict[str, float]:
        """What `measured` finds over the validation rows. A pause in the middle leaves a checkpoint that says so."""
        self.control.should_evaluate = False
        begun = time.monotonic()
        try:
            values = self._measured()
        except Stopped as stopped:
            if stopped.wish == "pause":
                self._watcher.save(self, evaluation_due=True)
            raise
        except (RuntimeError, MemoryError) as error:
            raise self._as_told(error, evaluation_due=True) from None
        if not math.isfinite(values["loss"]):
            raise self._watcher.not_finite(self, "validation loss", values["loss"])
        self._watcher.evaluated(self.state.global_step, values, time.monotonic() - begun)
        self._watcher.decide(self)
        return {f"eval_{name}": value for name, value in values.items()}

    def _as_told(self, error: Exception, *, evaluation_due: bool) -> Exception:
        """The error; OutOfMemory for one that says so, after what was trained up to here has been saved."""
        if not out_of_memory(error):
            return error
        self.model.zero_grad()
        if self._group.size == 1 and (evaluation_due or self.state.global_step):  # the others are in the middle of it
            self._watcher.save_before_less(self, evaluation_due=evaluation_due)
        return OutOfMemory(first_line(error))

    def _measured(self) -> dict[str, float]:
        self.model.eval()
        with torch.no_grad():
            values = self.measured(self._validation)
        self.model.train()
        return values

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """To the job. The summary that Trainer logs at the end has no step's loss and is not a reading."""
        self.control.should_log = False
        if "loss" in logs:
            self._watcher.logged(self.state.global_step, {**logs, **self.readings(), "epoch": float(self.state.epoch or 0.0)})

    # --- order and checkpoints -----------------------------------------------------------------------------------------------------

    def _get_train_sampler(self, train_dataset: Any = None) -> EpochOrder:
        return EpochOrder(len(self.train_dataset), seed=self.args.seed)

    def places_of_step(self, step: int) -> tuple[int, ...]:
        """Which rows the step after `step` steps goes over, in order; () where that cannot be told."""
        rows, batch = len(self.train_dataset), self._rows_in_step()
        epoch, within = divmod(step, math.ceil(rows / batch))
        order = EpochOrder(rows, seed=self.args.seed)
        order.set_epoch(epoch)
        return tuple(order)[within * batch : (within + 1) * batch]

    def _rows_in_step(self) -> int:
        return int(self.args.per_device_train_batch_size * self.args.gradient_accumulation_steps * self._group.size)

    def get_train_dataloader(self) -> Any:
        """Of this process's share where several train together: accelerate's own would train some rows twice to make shares even."""
        if self._group.size == 1:
            return super().get_train_dataloader()
        from accelerate.data_loader import prepare_data_loader
        from torch.utils.data import DataLoader

        from tuneport_local.methods.shares import Share

        rows, collate = self.shared_rows()
        part = int(self.args.per_device_train_batch_size)
        share = Share(self._get_train_sampler(), group=self._group, step=self._rows_in_step(), part=part)
        pinned = self.args.dataloader_pin_memory
        loader = DataLoader(rows, batch_sampler=share, collate_fn=collate, pin_memory=pinned)
        return prepare_data_loader(loader, self.accelerator.device, num_processes=1, process_index=0, put_on_device=True)

    def shared_rows(self) -> tuple[Any, Collate]:
        """The rows as a process gets its share of them, and what makes batches of these. Rows that only fill a share teach nothing."""
        from tuneport_local.methods.shares import Teaching

        return Teaching(self.train_dataset), self.data_collator

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        self._watcher.save(self)

    def take(self, folder: Path) -> None:
        """The weights of a checkpoint instead of those there are, as a resume takes them. Only the first process has to have it."""
        if self.in_parts or self._group.rank == 0:
            self._load_from_checkpoint(str(folder))

    def gathered(self, *, to_go_on: bool = True) -> Gathered | None:
        """What is trained in parts, put together, for the first process to write; None where that has all of it. Every one has to ask."""
        return divided.gathered(self.model, self.optimizer if to_go_on else None) if self.in_parts else None

    def save_parts(self, folder: Path, found: Gathered | None) -> None:
        """Everything `train(resume_from_checkpoint=…)` reads, into `folder`; a whole model with its tokenizer, so that it can answer."""
        if is_adapted(self.model):
            adapter_files.write(self.model, folder, to_go_on=True)
        else:
            divided.write(self.model, folder, found)
            self.processing_class.save_pretrained(folder)
        if found is None:
            self._save_optimizer_and_scheduler(str(folder))
        else:
            torch.save(found.optimizer, folder / OPTIMIZER_NAME)
            torch.save(self.lr_scheduler.state_dict(), folder / SCHEDULER_NAME)
        self._save_scaler(str(folder))
        self.state.save_to_json(str(folder / "trainer_state.json"))

    def random_states(self) -> dict[str, bytes]:
        """Those of every process, by the names of their files. Every one of them has to ask."""
        with tempfile.TemporaryDirectory(prefix="tuneport-") as place:
            self._save_rng_state(place)
            mine = {file.name: file.read_bytes() for file in Path(place).iterdir()}
        return {name: data for states in self._group.told(mine) for name, data in states.items()}

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if self.in_parts:
            divided.put(self.model, Path(resume_from_checkpoint) if self._group.rank == 0 else None)
        elif not (is_adapted(self.model) and adapter_files.read_to_go_on(self.model, Path(resume_from_checkpoint))):
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None or not self.in_parts:
            super()._load_optimizer_and_scheduler(checkpoint)
            return
        divided.put_state(self.optimizer, torch.load(Path(checkpoint) / OPTIMIZER_NAME, map_location="cpu", weights_only=True))
        self.lr_scheduler.load_state_dict(torch.load(Path(checkpoint) / SCHEDULER_NAME, weights_only=True))

    # --- layers --------------------------------------------------------------------------------------------------------------------

    def create_optimizer(self, model: Any = None) -> Any:
        """With a rate for each depth, where the recipe asks for it."""
        if is_divided(self.model):
            divided.taken_apart(self.model)
        made = super().create_optimizer(model)
        if self._layered is not None:
            made.param_groups = self._layered.split(made.param_groups, self.model)
        return made

    def _send_telemetry(self) -> None:
        """trl would tell its makers the model's kind and the hardware. We tell nobody."""
