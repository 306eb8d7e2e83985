"""These tests belong to a distribution of its own: they are collected where it is installed, and passed over elsewhere."""

from importlib.util import find_spec

collect_ignore_glob = ["tests/*"] if find_spec("tuneport_kiln") is None else []
