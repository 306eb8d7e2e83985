"""`[options.local.vertex]`: what it takes, what it makes of a profile, and how it refuses the rest."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from tuneport_vertex.launching import open_launcher
from tuneport_vertex.launching.machines import equipped, quota_of

from tuneport.errors import ConfigError, RecipeError
from tuneport.settings import Settings

IMAGE = "us-docker.pkg.dev/my-project/tuning/pytorch-cu128.py312:latest"
ENVIRON = {"GOOGLE_CLOUD_PROJECT": "my-project", "TUNEPORT_VERTEX_BUCKET": "my-bucket", "GOOGLE_OAUTH_ACCESS_TOKEN": "ya29.secret-token"}


def read(
    options: Mapping[str, Any], *, profiles: Mapping[str, Mapping[str, Any]] | None = None, environ: Mapping[str, str] = ENVIRON
) -> Mapping[str, Any]:
    return open_launcher(Settings(Path("/nowhere"), providers=profiles or {}, environ=environ)).read(options)


def with_gpu(**more: Any) -> dict[str, Any]:
    return {"machine_type": "g2-standard-12", "image": IMAGE, **more}


def refused(options: Mapping[str, Any], error: type[Exception] = RecipeError, **how: Any) -> str:
    with pytest.raises(error) as caught:
        read(options, **how)
    return str(caught.value)


def test_the_distribution_brings_the_engine_by_its_entry_point() -> None:
    about = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    named = about["project"]["entry-points"]["tuneport.engines"]
    assert EntryPoint("vertex", named["vertex"], "tuneport.engines").load() is open_launcher


def test_the_settings_say_where_the_machine_is_and_what_it_has_and_hold_no_secret() -> None:
    settings = read(with_gpu(spot=True, max_hours=2))
    assert (settings["accelerator_type"], settings["accelerator_count"]) == ("NVIDIA_L4", 1)
    assert settings["place"] == {"project": "my-project", "location": "us-central1", "bucket": "gs://my-bucket"}
    assert (settings["spot"], settings["max_hours"]) == (True, 2)
    assert "secret" not in json.dumps(settings)


def test_a_profile_says_the_place_and_the_recipe_goes_before_it() -> None:
    profiles = {
        "europe": {
            "provider": "vertex",
            "project": "other-project",
            "location": "europe-west4",
            "bucket": "gs://europe/tuning",
            "service_account": "runs@other-project.iam.gserviceaccount.com",
            "token_env": "MY_TOKEN",
        }
    }
    environ = {"MY_TOKEN": "ya29.of-mine"}
    settings = read(with_gpu(profile="europe"), profiles=profiles, environ=environ)
    assert settings["place"] == {
        "project": "other-project",
        "location": "europe-west4",
        "bucket": "gs://europe/tuning",
        "service_account": "runs@other-project.iam.gserviceaccount.com",
        "token_env": "MY_TOKEN",
    }
    theirs = read(with_gpu(profile="europe", bucket="third", service_account="a@b"), profiles=profiles, environ=environ)
    assert (theirs["place"]["bucket"], theirs["place"]["service_account"]) == ("gs://third", "a@b")


def test_the_settings_are_enough_where_no_configuration_is_found() -> None:
    profiles = {"europe": {"provider": "vertex", "project": "other-project", "location": "europe-west4", "bucket": "gs://europe/tuning"}}
    settings = read(with_gpu(profile="europe"), profiles=profiles, environ={"GOOGLE_OAUTH_ACCESS_TOKEN": "x"})
    elsewhere = open_launcher(Settings(Path("/nowhere"), environ={"GOOGLE_OAUTH_ACCESS_TOKEN": "x"}))
    assert elsewhere.place_there(settings, "job-1") == "/gcs/europe/tuning/tuneport/jobs/job-1"
    assert elsewhere.place(settings, "job-1").url == "gs://europe/tuning/tuneport/jobs/job-1"
    assert elsewhere.gpus(settings) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"machine": "g2-standard-12"}, "options.local.vertex: unknown key 'machine'; did you mean 'machine_type'?"),
        ({"image": IMAGE}, "options.local.vertex: machine_type is missing. Name one with a GPU, such as g2-standard-12"),
        (
            {"machine_type": "g2-standard-12"},
            "options.local.vertex: image is missing: the container that the job runs in. Name one with Python",
        ),
        (with_gpu(spot="yes"), "options.local.vertex: spot must be true or false, not 'yes'."),
        (with_gpu(max_hours=0), "options.local.vertex: max_hours must be "),
        (with_gpu(boot_disk_gb=50), "options.local.vertex: boot_disk_gb must be at least 100, not 50."),
        (with_gpu(machine_type="g2_standard"), "options.local.vertex: machine_type must be text that fits"),
        (with_gpu(image="gs://my-bucket/image"), "is no address of a container image; it looks like us-docker.pkg.dev/"),
        (
            with_gpu(image="us-docker.pkg.dev/vertex-ai/training/pytorch-gpu.2-4.py310:latest"),
            "has Python 3.10 by its name, and ours needs 3.11 or newer; name another image",
        ),
        (
            with_gpu(image="europe-docker.pkg.dev/p/r/pytorch-cpu.py312:1"),
            "is made for processors by its name, and g2-standard-12 has NVIDIA_L4",
        ),
        (with_gpu(accelerator_type="NVIDIA_L4", accelerator_count=2), "g2-standard-12 has 1 x NVIDIA_L4 built in, and no other"),
        (with_gpu(machine_type="n1-standard-8", accelerator_type="NVIDIA_TESLA_T5"), "did you mean 'NVIDIA_TESLA_T4'?"),
        (with_gpu(machine_type="n1-standard-8", accelerator_count=1), "accelerator_count goes with accelerator_type"),
        (
            with_gpu(machine_type="n1-standard-8", accelerator_type="NVIDIA_H200_141GB"),
            "NVIDIA_H200_141GB cannot be put into n1-standard-8; machines that have it: a3-ultragpu-8g",
        ),
        (with_gpu(service_account="me"), "service_account: 'me' is no e-mail"),
        (with_gpu(network="default"), "network: 'default' is no network; it looks like projects/12345/global/networks/NAME"),
        (with_gpu(labels={"Team": "x"}), "the label 'Team': keys are lower-case letters"),
        (with_gpu(labels={"tuneport-client": "x"}), "the label 'tuneport-client' is Tuneport's own"),
    ],
)
def test_what_cannot_be_is_refused_with_the_key_and_what_it_takes(options: Mapping[str, Any], said: str) -> None:
    assert said in refused(options)


def test_a_place_that_cannot_hold_a_job_is_refused() -> None:
    bare = {"GOOGLE_CLOUD_PROJECT": "my-project", "GOOGLE_OAUTH_ACCESS_TOKEN": "x"}
    assert "no bucket is named: the job's folder has to lie where this machine and Vertex AI's both see it" in refused(
        with_gpu(), ConfigError, environ=bare
    )
    said = refused(with_gpu(), ConfigError, environ={**ENVIRON, "GOOGLE_CLOUD_LOCATION": "global"})
    assert "location is global, and machines are rented in a region" in said
    profiles: Mapping[str, Mapping[str, Any]] = {"here": {"provider": "vertex"}, "azure": {"resource": "x"}}
    assert "there is no profile 'hare'; did you mean 'here'?" in refused(with_gpu(profile="hare"), ConfigError, profiles=profiles)
    assert "profile 'azure' is one of azure. Profiles of vertex: here." in refused(
        with_gpu(profile="azure"), ConfigError, profiles=profiles
    )


def test_a_machine_with_gpus_built_in_needs_no_other_word() -> None:
    assert equipped("a3-megagpu-8g", None, None) == ("NVIDIA_H100_MEGA_80GB", 8)
    assert equipped("n1-standard-8", "NVIDIA_TESLA_T4", 2) == ("NVIDIA_TESLA_T4", 2)
    assert equipped("e2-standard-8", None, None) == ("", 0)
    assert equipped("g4-standard-48", "NVIDIA_RTX_PRO_6000", None) == ("NVIDIA_RTX_PRO_6000", 1)


def test_quotas_go_by_the_names_that_refusals_give_them() -> None:
    assert quota_of("NVIDIA_L4", spot=False) == "custom_model_training_nvidia_l4_gpus"
    assert quota_of("NVIDIA_TESLA_T4", spot=True) == "custom_model_training_preemptible_nvidia_t4_gpus"
    assert quota_of("", spot=False) == "custom_model_training_cpus"
