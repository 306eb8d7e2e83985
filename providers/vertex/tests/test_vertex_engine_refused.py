"""What a user hears at the terminal when a job with engine "vertex" cannot be launched: one sentence, before anything is begun."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from commands import Run
from tiny import save_tiny, write_chats
from tuneport_vertex.emulator import EUROPEAN_BUCKET

from tuneport import Client
from tuneport.cli import main
from tuneport.settings import Settings

from .vertex_machines import IMAGE, Rental, renting

Submit = Callable[..., Run]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def rental(tmp_path: Path) -> Iterator[Rental]:
    with renting(tmp_path) as found:
        yield found


@pytest.fixture
def submit(rental: Rental, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Submit:
    metadata = tmp_path / "installed" / "tuneport_vertex_engine-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: tuneport-vertex-engine\nVersion: 1.0\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text("[tuneport.engines]\nvertex = tuneport_vertex.launching:open_launcher\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(metadata.parent))
    rows = write_chats(tmp_path / "chats.jsonl")

    def submitted(*, token: str | None = None, without: str = "", **machine: object) -> Run:
        settings = {"machine_type": "g2-standard-12", "image": IMAGE, **machine}
        lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items() if key != without]
        recipe = tmp_path / "recipe.toml"
        recipe.write_text(
            f'base = "{base}"\ntrain = "{rows}"\n\n[method]\nkind = "sft"\n\n[options.local]\nengine = "vertex"\n\n[options.local.vertex]\n'
            + "\n".join(lines),
            encoding="utf-8",
        )

        def opening(home: Path | None) -> Client:
            environ = {**rental.emulator.exports, **({"GOOGLE_OAUTH_ACCESS_TOKEN": token} if token is not None else {})}
            return Client(settings=Settings(home=tmp_path / "home", environ=environ))

        for name, value in {**rental.emulator.exports, **({"GOOGLE_OAUTH_ACCESS_TOKEN": token} if token is not None else {})}.items():
            monkeypatch.setenv(name, value)
        capsys.readouterr()
        code = main(["submit", str(recipe), "--provider", "local", "--yes"], opening=opening)
        return Run(code, *capsys.readouterr())

    return submitted


def nothing_began(rental: Rental, tmp_path: Path) -> bool:
    return not rental.emulator.world.custom_jobs and not list((tmp_path / "home").glob("local/jobs/*/state.json"))


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        ({"without": "machine_type"}, "options.local.vertex: machine_type is missing"),
        ({"without": "image"}, "options.local.vertex: image is missing"),
        ({"spott": True}, "unknown key 'spott'; did you mean 'spot'?"),
        ({"image": "europe-docker.pkg.dev/p/r/pytorch-cpu.py312:1"}, "is made for processors by its name"),
        ({"profile": "nowhere"}, "there is no profile 'nowhere'"),
    ],
)
def test_settings_that_cannot_be_are_wrong_usage(
    submit: Submit, rental: Rental, tmp_path: Path, machine: dict[str, object], said: str
) -> None:
    done = submit(**machine)
    assert (done.code, said in done.err) == (2, True), done.err
    assert nothing_began(rental, tmp_path)


def test_a_bucket_in_another_region_is_refused_with_what_to_do(submit: Submit, rental: Rental, tmp_path: Path) -> None:
    done = submit(bucket=EUROPEAN_BUCKET)
    assert done.code == 3, done.err
    assert f"gs://{EUROPEAN_BUCKET} lies in europe-west4, and the job runs in us-central1" in done.err
    assert "gcloud storage buckets create gs://NAME -l us-central1" in done.err
    assert nothing_began(rental, tmp_path)


def test_a_role_that_is_missing_is_refused_with_its_name(submit: Submit, rental: Rental, tmp_path: Path) -> None:
    done = submit(token=rental.emulator.token(role="viewer"))
    assert done.code == 3, done.err
    assert "this identity lacks storage.objects.create, storage.objects.delete. Ask for the role Storage Object User" in done.err
    assert nothing_began(rental, tmp_path)


def test_a_login_that_has_expired_is_refused_with_how_to_sign_in(submit: Submit, rental: Rental, tmp_path: Path) -> None:
    done = submit(token=rental.emulator.token(life_s=-1))
    assert done.code == 3, done.err
    assert "gcloud auth application-default login" in done.err
    assert "ya29" not in done.err
    assert nothing_began(rental, tmp_path)
