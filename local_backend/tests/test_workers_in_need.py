"""What several workers are refused before they start, and what becomes of a job when one of them lacks memory or is asked too much."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from tuneport_local import provider
from tuneport_local.adapter import LocalTrainer
from tuneport_local.plans.planning import plan

from tuneport.dataset import Dataset
from tuneport.errors import Refused, Unsupported
from tuneport.examples import ChatExample, ImagePart, Message, TextPart
from tuneport.job import JobState
from tuneport.provider import ProviderSettings
from tuneport.recipe import Recipe

from .tiny import save_tiny, write_chats
from .tiny_headed import picture
from .workers import folder_of, kill_workers, open_trainer, seen, until

STARVED = Path(__file__).parent / "starved_workers"
RAY = importlib.util.find_spec("ray") is not None
STARTUP_S = 300.0


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    kill_workers(tmp_path)


def recipe_of(home: Path, **options: Any) -> Recipe:
    """Nine steps, with a checkpoint after every third."""
    method = {"kind": "sft", "epochs": 3, "batch_size": 4, "learning_rate": 0.01, "lora": {"rank": 4}}
    usual = {"device": "cpu", "precision": "fp32", "checkpoint_every": 3, "forgetting": False}
    said = {"base": str(save_tiny(home / "base")), "train": str(write_chats(home / "train.jsonl", 9)), "method": method}
    return Recipe.parse({**said, "options": {"local": {**usual, **options}}})


def submitted(trainer: LocalTrainer, recipe: Recipe) -> str:
    made = trainer.plan(recipe)
    return trainer.create(made, uuid.uuid4().hex, {file.purpose: trainer.upload(file) for file in made.files}).provider_id


def test_rows_with_images_are_refused_for_several_workers_before_anything_is_sent() -> None:
    image = ImagePart(f"data:image/png;base64,{base64.b64encode(picture(0, 'Red')).decode()}")
    rows = Dataset.from_examples([ChatExample((Message("user", (TextPart("What?"), image)), Message("assistant", "Red")))] * 4)
    options = {"local": {"device": "cpu", "engine": "accelerate", "workers": 2}}
    recipe = Recipe(base="tiny", train=rows, method={"kind": "sft"}, options=options)
    with pytest.raises(Unsupported, match="some rows have images, which have not been tried with several workers"):
        plan(recipe, provider="local", scope="this machine", base="tiny")


def test_workers_that_the_memory_of_this_machine_does_not_take_together_are_refused_by_the_plan(home: Path) -> None:
    recipe = recipe_of(home, engine="accelerate", workers=1024)
    said = r"takes about 1\.1 GB in each of 1024 workers, 1\d\d\d\.\d GB together, of the \d+\.\d GB there are"
    with pytest.raises(Refused, match=said) as caught:
        open_trainer(home).plan(recipe)
    assert "instead of 1024" in str(caught.value.remedy)
    assert not (home / "local" / "jobs").is_dir()


@pytest.mark.train
@pytest.mark.slow
def test_a_worker_whose_memory_gives_out_has_all_go_on_with_fewer_rows_at_once(home: Path) -> None:
    environ = {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(STARVED), os.environ.get("PYTHONPATH", "")]),
        "STARVED": str(home / "starved"),
    }
    trainer = provider.open_trainer(ProviderSettings("local", home, environ=environ, profile={"calibrate": False}))
    assert isinstance(trainer, LocalTrainer)
    job_id = submitted(trainer, recipe_of(home, engine="accelerate", workers=2, restarts=0))
    until(lambda: seen(trainer, job_id).state.terminal, within_s=STARTUP_S)
    folder = folder_of(home, job_id)
    assert seen(trainer, job_id).state is JobState.SUCCEEDED, folder.log_end()
    (told,) = [event for event in folder.events() if event.level == "warning"]
    assert told.message.startswith("the memory of a worker did not suffice for 2 rows at once (")
    assert "allocate" in told.message
    assert told.message.endswith("the group begins again from step-00000003 with 1 row at once")
    assert [metric.step for metric in folder.metrics()] == list(range(1, 10))


@contextmanager
def old_cluster() -> Iterator[str]:
    """What answers as the dashboard of a Ray of another time does."""

    class Dashboard(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"version": "4", "ray_version": "2.9.3", "ray_commit": "0", "session_name": "old"}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Dashboard)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.slow
@pytest.mark.skipif(not RAY, reason="Ray is not installed: pip install 'tuneport-local[ray]'")
def test_a_cluster_of_another_version_ends_the_job_with_both_versions(home: Path) -> None:
    trainer = open_trainer(home)
    with old_cluster() as address:
        job_id = submitted(trainer, recipe_of(home, engine="ray", workers=2, address=address, storage=str(home / "shared")))
        until(lambda: seen(trainer, job_id).state.terminal, within_s=STARTUP_S)
    found = seen(trainer, job_id)
    assert found.state is JobState.FAILED
    assert f"the cluster at {address} runs Ray 2.9.3, and 2.55 or newer is needed (here is " in str(found.error)
    assert (folder_of(home, job_id).path / "recipe.json").is_file()
