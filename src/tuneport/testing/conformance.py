"""The conformance kit: what any provider must pass.

    from tuneport.testing import TrainerConformance

    class TestMyTrainer(TrainerConformance):
        @pytest.fixture
        def provider(self): ...        # the value your entry point names
        @pytest.fixture
        def trainer(self): ...         # over an emulator, on an account without jobs
        @pytest.fixture
        def recipe(self): ...          # small, and accepted
        @pytest.fixture
        def other_recipe(self): ...    # the same with other training rows
        @pytest.fixture
        def settle(self, trainer): ... # settle(job_id) drives the job to its end

Optional fixtures: `start` (until it runs), `break_network`, `lose_answer`, `received`, `request_count`, `secrets`; without one, what only
it can show is skipped. `marks_jobs = False` for a provider that drops what we write on a job. A rule that cannot be kept is replaced by a
test marked xfail with its reason; replacing one without is refused. An emulator whose pages hold two jobs shows whether all are read.
A trainer fixture of class scope shares the jobs that tests only look at.
"""

from __future__ import annotations

from tuneport.testing.kit_capabilities import CapabilityRules
from tuneport.testing.kit_failures import FailureRules
from tuneport.testing.kit_files import FileRules
from tuneport.testing.kit_jobs import JobRules
from tuneport.testing.kit_listing import ListingRules
from tuneport.testing.kit_plans import PlanRules
from tuneport.testing.kit_results import ResultRules
from tuneport.testing.kit_undeclared import UndeclaredRules
from tuneport.testing.server_conformance import ServerConformance

__all__ = ["ServerConformance", "TrainerConformance"]


class TrainerConformance(PlanRules, JobRules, FileRules, ListingRules, ResultRules, FailureRules, CapabilityRules, UndeclaredRules):
    """Every rule for a trainer: plans, jobs, files, listings, results and failures (must pass), capabilities (as declared)."""
