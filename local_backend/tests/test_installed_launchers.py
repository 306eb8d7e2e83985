"""The launchers that other distributions bring: which are there, and that what is there can be used."""

from __future__ import annotations

import sys
import types
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import fsspec
import pytest
from tuneport_local.engines.installed import installed, opened, why_no_launcher
from tuneport_local.engines.launcher import GROUP
from tuneport_local.storage.place import Place

from tuneport.errors import PluginError, Unsupported
from tuneport.settings import Settings


class Whole:
    """Has all that is asked."""

    def read(self, options: Any) -> Any: ...
    def gpus(self, settings: Any) -> Any: ...
    def check(self, settings: Any) -> Any: ...
    def place(self, settings: Any, job_id: Any) -> Any: ...
    def place_there(self, settings: Any, job_id: Any) -> Any: ...
    def find(self, order: Any) -> Any: ...
    def launch(self, order: Any) -> Any: ...
    def look(self, rented: Any, settings: Any) -> Any: ...
    def cancel(self, rented: Any, settings: Any) -> Any: ...
    def log(self, rented: Any, settings: Any) -> Any: ...


class Lacking(Whole):
    look: Any = None


class Other(Whole):
    def log(self, rented: Any) -> Any: ...  # type: ignore[override]


@pytest.fixture
def point(monkeypatch: pytest.MonkeyPatch) -> EntryPoint:
    module = types.ModuleType("some_launchers")
    vars(module).update(whole=lambda _: Whole(), lacking=lambda _: Lacking(), other=lambda _: Other(), nothing=lambda: None)
    monkeypatch.setitem(sys.modules, "some_launchers", module)
    return EntryPoint("acme", "some_launchers:whole", GROUP)


def _of(name: str) -> list[EntryPoint]:
    return [EntryPoint("acme", f"some_launchers:{name}", GROUP)]


HOME = Settings(Path("/nowhere"))


def test_whatever_is_installed_here_answers_the_protocol() -> None:
    assert [why_no_launcher(opened(name, HOME)) for name in installed()] == [""] * len(installed())


def test_a_launcher_is_opened_with_the_configuration(point: EntryPoint) -> None:
    assert isinstance(opened("acme", HOME, points=[point]), Whole)


def test_one_that_lacks_something_is_refused_with_what_it_lacks(point: EntryPoint) -> None:
    with pytest.raises(PluginError, match=r"engine 'acme' \(\?\) is no launcher: it has no look\(\)"):
        opened("acme", HOME, points=_of("lacking"))
    with pytest.raises(PluginError, match=r"its log\(\) takes \(rented\) and not \(rented, settings\)"):
        opened("acme", HOME, points=_of("other"))


def test_one_that_does_not_load_is_told_with_its_reason(point: EntryPoint) -> None:
    with pytest.raises(PluginError, match=r"engine 'acme' \(\?\) does not load: TypeError"):
        opened("acme", HOME, points=_of("nothing"))
    with pytest.raises(PluginError, match=r"does not load: AttributeError"):
        opened("acme", HOME, points=_of("absent"))


def test_an_engine_that_is_not_here_says_which_distribution_brings_it() -> None:
    with pytest.raises(Unsupported, match=r"engine 'azureml' is brought by tuneport-azureml, which is not installed") as caught:
        opened("azureml", HOME, points=[])
    assert caught.value.remedy == "Install it: pip install tuneport-azureml"
    with pytest.raises(Unsupported, match=r"no engine 'acme' is installed"):
        opened("acme", HOME, points=[])


def test_a_place_lies_in_a_filesystem_that_somebody_has_opened(tmp_path: Path) -> None:
    place = Place(f"{tmp_path}/jobs/one", files=fsspec.filesystem("file"))
    place.write("wish", b"pause")
    assert (tmp_path / "jobs" / "one" / "wish").read_bytes() == b"pause"
    assert place.names("") == ["wish"]


def test_what_a_filesystem_of_ours_says_goes_through(tmp_path: Path) -> None:
    class Expired(type(fsspec.filesystem("file"))):  # type: ignore[misc]
        def cat_file(self, path: str, **_: Any) -> bytes:
            raise Unsupported(f"{Path(path).name}: not today.")

    with pytest.raises(Unsupported, match="wish: not today"):
        Place(str(tmp_path), files=Expired()).read("wish")
