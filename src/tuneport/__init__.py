"""Tuneport: one client for every place a language model can be fine-tuned.

    import tuneport as tp

    data = tp.Dataset.read("tickets.jsonl")
    train, test = data.split(test=0.2, seed=7)
    recipe = tp.Recipe(base="smollm2-135m-instruct", method=tp.SFT(epochs=2), train=train)
    client = tp.Client()
    job = client.wait(client.submit(recipe, provider="local"))
    print(client.evaluate(job.model, test, against="base"))

Names are imported when first used, so that `import tuneport` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuneport.client import Client as Client
    from tuneport.dataset import Dataset as Dataset
    from tuneport.errors import TuneportError as TuneportError
    from tuneport.evaluate import Evaluation as Evaluation
    from tuneport.examples import ChatExample as ChatExample
    from tuneport.examples import LabelledExample as LabelledExample
    from tuneport.examples import Message as Message
    from tuneport.examples import PreferenceExample as PreferenceExample
    from tuneport.examples import PromptExample as PromptExample
    from tuneport.finding import Finding as Finding
    from tuneport.graders import MultiGrader as MultiGrader
    from tuneport.graders import NumericAnswer as NumericAnswer
    from tuneport.graders import PythonGrader as PythonGrader
    from tuneport.graders import RegexCheck as RegexCheck
    from tuneport.graders import ScoreModel as ScoreModel
    from tuneport.graders import StringCheck as StringCheck
    from tuneport.graders import TextSimilarity as TextSimilarity
    from tuneport.grading.grade import Score as Score
    from tuneport.grading.grade import grade as grade
    from tuneport.grading.process import GraderLimits as GraderLimits
    from tuneport.job import Event as Event
    from tuneport.job import Job as Job
    from tuneport.job import JobState as JobState
    from tuneport.job import Metric as Metric
    from tuneport.methods import DPO as DPO
    from tuneport.methods import GRPO as GRPO
    from tuneport.methods import KTO as KTO
    from tuneport.methods import ORPO as ORPO
    from tuneport.methods import SFT as SFT
    from tuneport.methods import Classify as Classify
    from tuneport.methods import EarlyStopping as EarlyStopping
    from tuneport.methods import Regress as Regress
    from tuneport.methods import Reward as Reward
    from tuneport.model import Deployment as Deployment
    from tuneport.model import DeploymentPlan as DeploymentPlan
    from tuneport.model import Model as Model
    from tuneport.model import Prediction as Prediction
    from tuneport.plan import Plan as Plan
    from tuneport.prices import Price as Price
    from tuneport.prices import PriceBook as PriceBook
    from tuneport.provider import Generation as Generation
    from tuneport.quote import Quote as Quote
    from tuneport.quote import QuoteLine as QuoteLine
    from tuneport.quote import Usage as Usage
    from tuneport.recipe import Recipe as Recipe
    from tuneport.span import Span as Span
    from tuneport.tuned_weights import IA3 as IA3
    from tuneport.tuned_weights import OFT as OFT
    from tuneport.tuned_weights import Full as Full
    from tuneport.tuned_weights import LNTuning as LNTuning
    from tuneport.tuned_weights import LoRA as LoRA
    from tuneport.tuned_weights import PrefixTuning as PrefixTuning
    from tuneport.tuned_weights import PromptTuning as PromptTuning
    from tuneport.tuned_weights import VeRA as VeRA

__version__ = "0.1.0"

_HOMES = {
    "client": ("Client",),
    "dataset": ("Dataset",),
    "errors": ("TuneportError",),
    "evaluate": ("Evaluation",),
    "examples": ("ChatExample", "LabelledExample", "Message", "PreferenceExample", "PromptExample"),
    "finding": ("Finding",),
    "job": ("Event", "Job", "JobState", "Metric"),
    "methods": ("DPO", "GRPO", "KTO", "ORPO", "SFT", "Classify", "EarlyStopping", "Regress", "Reward"),
    "graders": ("MultiGrader", "NumericAnswer", "PythonGrader", "RegexCheck", "ScoreModel", "StringCheck", "TextSimilarity"),
    "grading.grade": ("Score", "grade"),
    "grading.process": ("GraderLimits",),
    "model": ("Deployment", "DeploymentPlan", "Model", "Prediction"),
    "plan": ("Plan",),
    "prices": ("Price", "PriceBook"),
    "provider": ("Generation",),
    "quote": ("Quote", "QuoteLine", "Usage"),
    "recipe": ("Recipe",),
    "span": ("Span",),
    "tuned_weights": ("Full", "IA3", "LNTuning", "LoRA", "OFT", "PrefixTuning", "PromptTuning", "VeRA"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}
__all__ = ["__version__", *sorted(_HOME_OF)]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(import_module(f"tuneport.{_HOME_OF[name]}"), name)
    raise AttributeError(f"module 'tuneport' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
