"""The command line: parse, call `tuneport.Client`, print. `main` is the console script."""

from tuneport.cli.app import main as main

__all__ = ["main"]
