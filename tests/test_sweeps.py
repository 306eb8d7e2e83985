"""A sweep finds better settings by trials that are jobs like any other: each once, none beyond the budget, none of them lost."""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from harbour import in_memory
from laboratory import RATES, Laboratory, eval_loss

from tuneport.errors import ConfigError, CredentialsRefused, JobFailed, RecipeError, Uncertain, Unsupported, UsageError
from tuneport.job import JobState
from tuneport.recipe import SFT, LoRA, Recipe
from tuneport.testing.remote_job import RemoteJob
from tuneport.testing.wire import HttpAnswer, NoAnswer

pytest.importorskip("optuna")


@pytest.fixture
def lab() -> Iterator[Laboratory]:
    with in_memory() as folder:
        yield Laboratory(folder)


def rates(lab: Laboratory) -> list[float]:
    return [job.body["hyperparameters"]["learning_rate"] for job in lab.cloud.jobs.values()]


# --- what comes of it --------------------------------------------------------------------------------------------------------------------


def test_the_best_trial_is_the_one_whose_metric_is_best_and_its_recipe_is_written_with_where_it_comes_from(lab: Laboratory) -> None:
    done = lab.sweep(trials=8)
    losses = {job.id: eval_loss(job.body["hyperparameters"], 10) for job in lab.cloud.jobs.values()}
    assert done.best.job == f"lab:{min(losses, key=losses.__getitem__)}"
    assert done.best.value == min(losses.values())
    text = done.recipe.read_text()
    assert text.startswith(f"# The best of sweep {done.id}: eval_loss {done.best.value:.6g} in trial {done.best.number + 1} of 8")
    written = Recipe.load(done.recipe)
    assert isinstance(written.method, SFT)
    assert written.method.learning_rate == done.best.values["method.learning_rate"]
    assert written.train.fingerprint == lab.recipe().train.fingerprint


def test_values_are_drawn_within_their_bounds_and_whole_where_the_field_is(lab: Laboratory) -> None:
    lab.sweep({**RATES, "method.lora.rank": "4..64:log", "method.schedule": "linear,cosine"}, trials=12)
    drawn = [job.body["hyperparameters"] for job in lab.cloud.jobs.values()]
    assert len(drawn) == 12
    assert all(1e-5 <= each["learning_rate"] <= 1e-3 and 4 <= each["lora"]["rank"] <= 64 for each in drawn)
    assert all(isinstance(each["lora"]["rank"], int) for each in drawn)
    assert {each["schedule"] for each in drawn} == {"linear", "cosine"}


def test_what_was_learned_from_earlier_trials_leads_to_better_ones(lab: Laboratory) -> None:
    done = lab.sweep(trials=30)
    values = [each.value or 9.0 for each in done.trials]
    assert sum(values[20:]) / 10 < 0.7 * sum(values[:6]) / 6


def test_the_same_seed_draws_the_same_values_also_in_another_home() -> None:
    drawn = []
    for seed in (3, 3, 4):
        with in_memory() as folder:
            one = Laboratory(folder)
            one.sweep(trials=9, seed=seed)
            drawn.append(rates(one))
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_metric_of_which_more_is_better_is_maximized(lab: Laboratory) -> None:
    lab.trainer["metric"] = "eval_accuracy"
    done = lab.sweep(metric="eval_accuracy", trials=5)
    assert done.direction == "maximize"
    assert done.best.value == max(each.value or 0 for each in done.trials)


def test_each_combination_of_a_small_space_is_tried_once(lab: Laboratory) -> None:
    done = lab.sweep({"method.lora.rank": "4,8,16", "method.schedule": ["linear", "cosine"]}, trials=20)
    assert lab.creates == len(done.trials) == 6
    assert len({json.dumps(each.values, sort_keys=True) for each in done.trials}) == 6
    assert done.why == "every combination has been tried"


def test_optunas_own_tools_can_open_the_study(lab: Laboratory) -> None:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    done = lab.sweep(trials=5)
    study = optuna.load_study(study_name=done.id, storage=JournalStorage(JournalFileBackend(str(done.folder / "study.log"))))
    assert study.best_value == done.best.value
    assert [each.user_attrs["job"] for each in study.trials] == [each.job for each in done.trials]


# --- the same sweep again ----------------------------------------------------------------------------------------------------------------


def test_the_same_sweep_again_pays_for_nothing_and_more_trials_go_on_with_it(lab: Laboratory) -> None:
    first = lab.sweep(trials=3)
    again = lab.sweep(trials=3)
    assert lab.creates == 3
    assert (again.id, again.best) == (first.id, first.best)
    more = lab.sweep(trials=5)
    assert lab.creates == 5
    assert more.trials[:3] == first.trials


def test_values_that_are_the_very_plan_of_an_earlier_trial_are_not_trained_again(lab: Laboratory) -> None:
    done = lab.sweep({"method.lora.rank": [8, 16], "options": [{}, {"other": {"x": 1}}]}, trials=4)  # options of others change no plan
    assert lab.creates == 2
    assert sorted(each.state for each in done.trials) == ["same", "same", "succeeded", "succeeded"]
    assert "not trained again" in lab.heard()


def test_a_job_that_was_trained_before_the_sweep_is_not_paid_again(lab: Laboratory) -> None:
    with lab.client() as client:
        recipe = lab.recipe(method=SFT(epochs=2, lora=LoRA(rank=8)))
        before = client.wait(client.submit(recipe, provider="lab"))
    done = lab.sweep({"method.lora.rank": [4, 8]}, trials=2)
    assert lab.creates == 2
    trial = next(each for each in done.trials if each.values == {"method.lora.rank": 8})
    assert (trial.job, trial.reserved_usd, trial.state) == (before.uri, 0, "succeeded")


def test_two_processes_do_not_carry_out_one_sweep(lab: Laboratory) -> None:
    from tuneport.sweeping.journal import alone

    done = lab.sweep(trials=1)
    with alone(done.folder), pytest.raises(ConfigError, match="another process"):
        lab.sweep(trials=2)


# --- refused before anything is sent -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("space", "sentence"),
    [
        ({"method.learning_rat": "1e-5..1e-3"}, "unknown key 'learning_rat'; did you mean 'learning_rate'"),
        ({"metod.epochs": "1,2"}, "did you mean 'method'"),
        ({"method.learning_rate": "1e-5..2"}, "learning_rate must be at most 1"),
        ({"method.lora.rank": "4,8,0"}, "rank must be at least 1"),
        ({"method.lora.rank": "4.5..8"}, "rank must be a whole number"),
        ({"method.schedule": "linear,cosin"}, "'cosine'"),
        ({"base": "fake-small,fake-giant"}, "fake-giant"),
        ({"base.lab.x": "1,2"}, "is no table in this recipe"),
        ({"options.lab.precision": "fp32,bf16"}, "precision"),
        ({"method.epochs": "3..1"}, "from a lower number to a higher one"),
        ({"method.learning_rate": "0..1:log"}, "begins above 0"),
        ({"method.epochs": "1..3:lin"}, ":log"),
        ({"method.epochs": "a..b"}, "no range of numbers"),
        ({"method.epochs": "2,2"}, "each of them once"),
        ({"method.epochs": []}, "nothing to choose from"),
    ],
)
def test_a_space_that_cannot_be_is_refused_before_anything_is_sent(lab: Laboratory, space: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        lab.sweep(space)
    assert sentence in str(refused.value)
    assert next(iter(space)) in str(refused.value)
    assert lab.wire.sent == []
    assert not (lab.home / "sweeps").exists()


def test_what_cannot_be_wished_for_is_said_with_the_flag(lab: Laboratory) -> None:
    for wishes, sentence in (
        ({"trials": 0}, "--trials"),
        ({"parallel": 0}, "--parallel"),
        ({"prune": "perhaps"}, "--prune"),
        ({"metric": "speed"}, "--direction"),
        ({"direction": "up"}, "--direction"),
        ({"out": Path("best.json")}, ".toml"),
        ({"recipe": lab.recipe(validation=None)}, "--metric loss"),
    ):
        with pytest.raises(UsageError, match=sentence.replace("-", "[-]")):
            lab.sweep(**wishes)
    assert lab.wire.sent == []


def test_a_file_of_somebody_elses_is_not_written_over(lab: Laboratory) -> None:
    mine = lab.folder / "best.toml"
    mine.write_text("base = 'my own'\n")
    with pytest.raises(UsageError, match="is there already"):
        lab.sweep(out=mine)
    mine.unlink()
    lab.sweep(trials=1, out=mine)
    lab.sweep(trials=2, out=mine)  # its own may be
    assert "of 2" in mine.read_text()


def test_without_optuna_the_command_to_install_it_is_said(lab: Laboratory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(Unsupported, match=r"pip install 'tuneport\[sweep\]'"):
        lab.sweep()


def test_a_recipe_whose_rows_cannot_be_used_is_refused_with_the_value(lab: Laboratory) -> None:
    with pytest.raises(RecipeError, match="options"):
        lab.sweep({"options.lab.x": [1, 2]})
    assert lab.wire.sent == []


# --- money -------------------------------------------------------------------------------------------------------------------------------


def test_where_a_bill_comes_it_has_to_be_said_how_much_at_most(lab: Laboratory) -> None:
    with pytest.raises(UsageError, match="--max-cost"):
        lab.sweep(max_cost_usd=None)
    assert lab.wire.sent == []


def test_the_worst_case_is_agreed_to_once_for_each_budget(lab: Laboratory) -> None:
    lab.sweep(trials=2, max_cost_usd=Decimal(10))
    lab.sweep(trials=3, max_cost_usd=Decimal(10))
    assert lab.asked == ["Up to 2 trials at lab cost up to 10.00 USD together; each is quoted before it begins."]
    lab.sweep(trials=3, max_cost_usd=Decimal(20))
    assert len(lab.asked) == 2


def test_what_runs_by_its_quote_and_what_ended_by_its_bill_never_pass_the_budget_whatever_each_costs() -> None:
    chance = random.Random("prices of trials")
    ends: Counter[str] = Counter()
    for _ in range(10):
        most, parallel = Decimal(chance.randint(100, 2500)) / 100, chance.choice((1, 2, 4))
        with in_memory() as folder:
            market = Market(Laboratory(folder), most, chance)
            try:
                done = market.lab.sweep({"method.lora.rank": "1..12"}, trials=12, max_cost_usd=most, parallel=parallel)
                assert done.spent_usd == market.committed_usd() <= most
                ends[done.why.partition(" ")[0]] += 1
            except JobFailed as error:
                ends["none" if "no trial was begun" in str(error) else "failed"] += 1
            assert market.worst <= most
    assert ends["nothing"] > 2
    assert ends["all"] > 0


class Market:
    """Prices by rank, bills that come to at most what was quoted, one rank that always fails."""

    def __init__(self, lab: Laboratory, most: Decimal, chance: random.Random) -> None:
        self.lab = lab
        self.worst = Decimal(0)
        self._prices = {rank: Decimal(chance.randint(10, 900)) / 100 for rank in range(1, 13)}
        self._billed_share = Decimal(chance.choice((0, 50, 100))) / 100
        unlucky = chance.randint(1, 12)
        lab.trainer["price"] = lambda recipe: self._prices[recipe.method.lora.rank]
        lab.cloud.fails = lambda settings: settings["lora"]["rank"] == unlucky
        lab.cloud.bill_of = self.billed
        lab.cloud.created = lambda: setattr(self, "worst", max(self.worst, self.committed_usd()))

    def billed(self, job: RemoteJob) -> Decimal:
        return self.quoted(job) * self._billed_share

    def quoted(self, job: RemoteJob) -> Decimal:
        return self._prices[job.body["hyperparameters"]["lora"]["rank"]]

    def committed_usd(self) -> Decimal:
        jobs = self.lab.cloud.jobs.values()
        return sum(
            (self.billed(job) if job.finished_at else self._prices[job.body["hyperparameters"]["lora"]["rank"]] for job in jobs), Decimal(0)
        )


def test_a_trial_that_does_not_fit_makes_room_for_a_cheaper_one(lab: Laboratory) -> None:
    lab.trainer["price"] = lambda recipe: Decimal(recipe.method.lora.rank)
    lab.cloud.bill_of = lambda job: Decimal(10)  # so that nothing comes back
    done = lab.sweep({"method.lora.rank": [1, 2, 40]}, trials=3, max_cost_usd=Decimal(30))
    assert {each.values["method.lora.rank"] for each in done.trials} <= {1, 2}


def test_a_cost_that_nobody_knows_is_refused(lab: Laboratory) -> None:
    lab.trainer["price"] = lambda recipe: None
    with pytest.raises(UsageError, match="not known"):
        lab.sweep()
    assert lab.wire.sent == []


# --- trials that do not come to their end ------------------------------------------------------------------------------------------------


def test_a_failed_trial_is_counted_and_the_others_go_on(lab: Laboratory) -> None:
    lab.cloud.fails = lambda settings: settings["lora"]["rank"] == 8
    done = lab.sweep({"method.lora.rank": [4, 8, 16]}, trials=3)
    assert {each.values["method.lora.rank"]: each.state for each in done.trials} == {4: "succeeded", 8: "failed", 16: "succeeded"}
    assert done.best.values == {"method.lora.rank": 16}


def test_the_very_plan_of_a_failed_trial_is_not_paid_for_again(lab: Laboratory) -> None:
    lab.cloud.fails = lambda settings: settings["lora"]["rank"] == 8
    done = lab.sweep({"method.lora.rank": [8, 16], "options": [{}, {"other": {"x": 1}}]}, trials=4)  # options of others change no plan
    assert lab.creates == 2
    assert sorted(each.state for each in done.trials) == ["failed", "same", "same", "succeeded"]


def test_when_every_trial_fails_the_sweep_has_failed_with_the_first_reason(lab: Laboratory) -> None:
    lab.cloud.fails = lambda settings: True
    with pytest.raises(JobFailed, match="all 3 trials failed; the first: "):
        lab.sweep(trials=3)
    assert lab.creates == 3


def test_one_refused_set_of_values_is_a_failed_trial_that_costs_nothing(lab: Laboratory) -> None:
    lab.wire.before("POST /jobs", HttpAnswer(400, "bad_value"))
    done = lab.sweep(trials=3)
    assert [each.state for each in done.trials] == ["failed", "succeeded", "succeeded"]
    assert done.trials[0].reserved_usd == 0


def test_a_refusal_that_all_would_get_ends_the_sweep_and_it_goes_on_later(lab: Laboratory) -> None:
    lab.wire.before("POST /jobs", HttpAnswer(401, "bad_key"))
    with pytest.raises(CredentialsRefused):
        lab.sweep(trials=2)
    assert lab.creates == 0
    assert len(lab.sweep(trials=2).trials) == 2


def test_a_metric_that_is_not_given_ends_the_sweep_after_one_job_with_those_that_are(lab: Laboratory) -> None:
    lab.trainer["metric"] = "eval_other"
    with pytest.raises(UsageError, match="gives no eval_loss, but eval_other, loss"):
        lab.sweep(trials=4)
    assert lab.creates == 1
    lab.sweep(trials=1, metric="loss")
    assert lab.creates == 1  # the same job, not paid for again


def test_a_create_whose_answer_was_lost_is_never_repeated(lab: Laboratory) -> None:
    lab.cloud.listing_lag_s = 3600.0
    lab.wire.after("POST /jobs", NoAnswer("connection reset"))
    for _ in range(2):
        with pytest.raises(Uncertain):
            lab.sweep(trials=2)
    assert lab.creates == 1
    lab.clock.sleep(4000)
    assert len(lab.sweep(trials=2).trials) == 2
    assert lab.creates == 2


def test_a_job_that_the_user_cancels_is_no_result(lab: Laboratory) -> None:
    lab.cloud.do_later(lambda: lab.cloud.cancel_job(next(iter(lab.cloud.jobs))), delay_s=100)
    done = lab.sweep(trials=2)
    assert [each.state for each in done.trials] == ["cancelled", "succeeded"]


# --- several at once, and stopped early --------------------------------------------------------------------------------------------------


def test_no_more_trials_than_wished_for_run_at_once(lab: Laboratory) -> None:
    lab.sweep(trials=7, parallel=3)
    assert lab.creates == 7
    assert lab.cloud.most_active == 3


def test_a_trial_that_is_worse_than_half_of_the_others_is_cancelled_and_what_it_cost_is_told(lab: Laboratory) -> None:
    done = lab.sweep(trials=12, prune="auto")
    pruned = [each for each in done.trials if each.state == "pruned"]
    assert pruned
    for trial in pruned:
        job = lab.cloud.jobs[str(trial.job).removeprefix("lab:")]
        assert job.word == "stopped"
        assert trial.cost_usd is not None
        assert trial.cost_usd < Decimal("2.50")
        assert f"billed {trial.cost_usd:.2f} USD" in lab.heard()
    best = min(eval_loss(job.body["hyperparameters"], 10) for job in lab.cloud.jobs.values())
    assert done.best.value == best


@pytest.mark.parametrize(
    ("wishes", "trainer", "reason"),
    [
        ({"prune": "never"}, {}, "as wished"),
        ({"prune": "always"}, {"can_cancel": False}, "cannot be cancelled here"),
        ({"prune": "always", "space": {"method.epochs": "1,2"}}, {}, "what a step is"),
    ],
)
def test_where_stopping_early_saves_nothing_or_cannot_be_judged_no_trial_is(
    lab: Laboratory, wishes: dict[str, object], trainer: dict[str, object], reason: str
) -> None:
    lab.trainer.update(trainer)
    done = lab.sweep(trials=8, **wishes)
    assert {each.state for each in done.trials} == {"succeeded"}
    assert reason in lab.heard()


def test_trials_that_run_go_on_when_the_sweep_is_interrupted_and_are_found_again(lab: Laboratory) -> None:
    class Interrupted(SimulatedInterrupt):
        pass

    with pytest.raises(KeyboardInterrupt), lab.client(clock=Interrupted(lab.clock, after=4)) as client:
        lab.sweep(trials=3, client=client)
    assert lab.creates == 1
    assert next(iter(lab.cloud.jobs.values())).word in ("validating_files", "queued", "running")
    assert [each.state for each in lab.sweep(trials=3).trials] == ["succeeded"] * 3
    assert lab.creates == 3


class SimulatedInterrupt:
    """A clock on which somebody presses Ctrl-C while it is slept on for the n-th time."""

    def __init__(self, clock: object, *, after: int) -> None:
        self._clock = clock
        self._left = after

    def __getattr__(self, name: str) -> object:
        return getattr(self._clock, name)

    def sleep(self, seconds: float) -> None:
        self._left -= 1
        if self._left == 0:
            raise KeyboardInterrupt
        self._clock.sleep(seconds)  # type: ignore[attr-defined]


def test_the_jobs_of_a_sweep_are_jobs_like_any_other(lab: Laboratory) -> None:
    done = lab.sweep(trials=3)
    with lab.client() as client:
        assert {job.uri for job in client.jobs()} == {each.job for each in done.trials}
        assert {job.state for job in client.jobs()} == {JobState.SUCCEEDED}
