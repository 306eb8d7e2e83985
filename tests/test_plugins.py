"""Plug-ins: listed without being imported, refused in one line when they are broken."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from tuneport import plugins
from tuneport.connections import Connections
from tuneport.errors import PluginError, UnknownProvider
from tuneport.provider import Provider
from tuneport.settings import Settings
from tuneport.testing.clock import SimulatedClock


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name=name, value=value, group=plugins.GROUP)


def write_module(folder: Path, name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(folder))


def test_listing_imports_no_provider() -> None:
    code = "import sys; from tuneport import plugins; plugins.installed(); sys.exit('tuneport_local' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_plugin_that_raises_at_import_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_module(tmp_path, "plugin_that_raises", "raise RuntimeError('no such driver')", monkeypatch)
    plugin = plugins.installed([point("broken", "plugin_that_raises:provider")])["broken"]
    with pytest.raises(PluginError, match="RuntimeError: no such driver") as refused:
        plugin.load()
    assert "\n" not in refused.value.message
    assert refused.value.exit_code == 2


def test_a_plugin_of_another_api_is_refused_with_both_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "from tuneport.provider import Provider\nprovider = Provider('old', '', open_trainer=print, plugin_api=99)\n"
    write_module(tmp_path, "plugin_from_elsewhen", text, monkeypatch)
    with pytest.raises(PluginError, match="PLUGIN_API 99, this tuneport 1"):
        plugins.installed([point("old", "plugin_from_elsewhen:provider")])["old"].load()


def test_an_entry_point_that_is_no_provider_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_module(tmp_path, "plugin_of_wrong_kind", "provider = 3\n", monkeypatch)
    with pytest.raises(PluginError, match="is a int, not a tuneport Provider"):
        plugins.installed([point("odd", "plugin_of_wrong_kind:provider")])["odd"].load()


def test_a_provider_that_is_not_installed_says_what_to_install() -> None:
    with pytest.raises(UnknownProvider, match="pip install tuneport-local"):
        plugins.find("local", {})
    with pytest.raises(UnknownProvider, match="tuneport providers"):
        plugins.find("nobody", {})


def test_a_broken_provider_stands_in_the_listing_with_its_reason(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, providers={"ghost": {"provider": "not-there"}})
    fine = Provider("fine", "works", open_trainer=print)  # type: ignore[arg-type]
    listing = {info.name: info for info in Connections(settings, SimulatedClock(), {"fine": fine}).listing()}
    assert "no provider 'not-there' is installed" in (listing["ghost"].problem or "")
    assert listing["fine"].problem is None


def test_a_plugin_that_ends_the_process_at_import_does_not_end_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_module(tmp_path, "plugin_that_exits", "raise SystemExit('no licence')", monkeypatch)
    with pytest.raises(PluginError, match="SystemExit: no licence"):
        plugins.installed([point("exits", "plugin_that_exits:provider")])["exits"].load()


def test_a_listing_reads_the_metadata_of_the_distributions_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.metadata

    read, asked = importlib.metadata.entry_points, [0]

    def counting(*, group: str) -> object:
        asked[0] += 1
        return read(group=group)

    monkeypatch.setattr(importlib.metadata, "entry_points", counting)
    Connections(Settings(home=tmp_path, providers={"a": {}, "b": {}}), SimulatedClock(), {}).listing()
    assert asked == [1]


def test_a_provider_that_lacks_a_module_when_it_is_opened_is_said_and_keeps_no_other_from_being_asked(tmp_path: Path) -> None:
    def opening(settings: object) -> Any:
        return import_module("vendor_sdk_that_is_not_installed")

    broken = Provider("broken", "lacks its SDK", open_trainer=opening, open_server=opening)
    connections = Connections(Settings(home=tmp_path), SimulatedClock(), {"broken": broken})
    for opened in (connections.trainer, connections.server):
        with pytest.raises(PluginError, match=r"'broken' does not load: No module named 'vendor_sdk"):
            opened("broken")
    assert connections.trainers(["broken"], passing_over=True) == {}
