"""Settings: flags over environment over the project's file over the user's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tuneport.errors import ConfigError
from tuneport.provider import ProviderSettings
from tuneport.settings import Settings, load_settings


def load(tmp_path: Path, *, home: Path | None = None, **environ: str) -> Settings:
    return load_settings(
        home=home, environ={"TUNEPORT_CONFIG": str(tmp_path / "user.toml"), **environ}, folder=tmp_path / "project" / "deep"
    )


@pytest.fixture(autouse=True)
def project(tmp_path: Path) -> Path:
    (tmp_path / "project" / "deep").mkdir(parents=True)
    return tmp_path / "project"


def test_home_is_the_flag_before_the_environment(tmp_path: Path) -> None:
    assert load(tmp_path, home=tmp_path / "flag", TUNEPORT_HOME="/env").home == tmp_path / "flag"
    assert load(tmp_path, TUNEPORT_HOME=str(tmp_path / "env")).home == tmp_path / "env"


def test_the_projects_file_wins_over_the_users_key_by_key(tmp_path: Path, project: Path) -> None:
    (tmp_path / "user.toml").write_text('[providers.local]\nhour_price_usd = "1"\ndevice = "cpu"\n')
    (project / "tuneport.toml").write_text('[providers.local]\nhour_price_usd = "2"\n')
    assert load(tmp_path).providers["local"] == {"hour_price_usd": "2", "device": "cpu"}


def test_a_file_that_is_not_toml_is_one_sentence_with_its_name(tmp_path: Path, project: Path) -> None:
    (project / "tuneport.toml").write_text("providers = [")
    with pytest.raises(ConfigError, match=r"tuneport\.toml cannot be read as TOML"):
        load(tmp_path)


def test_an_unknown_table_is_refused(tmp_path: Path, project: Path) -> None:
    (project / "tuneport.toml").write_text("[provider.local]\n")
    with pytest.raises(ConfigError, match="unknown table 'provider'"):
        load(tmp_path)


def test_a_provider_that_is_no_table_is_refused(tmp_path: Path, project: Path) -> None:
    (project / "tuneport.toml").write_text('[providers]\nlocal = "cpu"\n')
    with pytest.raises(ConfigError, match="must be tables"):
        load(tmp_path)


def test_price_files_are_those_beside_the_configuration_the_projects_last(tmp_path: Path, project: Path) -> None:
    assert load(tmp_path).prices == ()
    for folder in (tmp_path, project):
        (folder / "prices.toml").write_text("not even read")
    assert load(tmp_path).prices == (tmp_path / "prices.toml",)
    (project / "tuneport.toml").write_text("")
    assert load(tmp_path).prices == (tmp_path / "prices.toml", project / "prices.toml")


def test_price_files_named_in_the_environment_replace_all_others(tmp_path: Path, project: Path) -> None:
    (tmp_path / "prices.toml").write_text("")
    named = os.pathsep.join([str(tmp_path / "a.toml"), "", str(tmp_path / "b.toml")])
    assert load(tmp_path, TUNEPORT_PRICES=named).prices == (tmp_path / "a.toml", tmp_path / "b.toml")
    assert load(tmp_path, TUNEPORT_PRICES="").prices == ()


def test_what_may_hold_keys_is_not_shown_by_repr(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, providers={"x": {"api_key": "in-the-file"}}, environ={"OPENAI_API_KEY": "in-the-environment"})
    opened = ProviderSettings("x", tmp_path, environ=settings.environ, profile=settings.providers["x"])
    assert "in-the" not in repr(settings) + repr(opened)
    assert str(tmp_path) in repr(settings)
