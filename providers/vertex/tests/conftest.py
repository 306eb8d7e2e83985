"""Leaves out what is about the local backend's engine where that is not installed."""

from __future__ import annotations

from importlib.util import find_spec

_WITH_LOCAL = (
    "test_vertex_bucket_filesystem.py",
    "test_vertex_custom_runs.py",
    "test_vertex_engine_refused.py",
    "test_vertex_launch_faults.py",
    "test_vertex_launcher.py",
    "test_vertex_machine_settings.py",
    "test_vertex_remote.py",
)
collect_ignore = [] if find_spec("tuneport_local") else list(_WITH_LOCAL)
