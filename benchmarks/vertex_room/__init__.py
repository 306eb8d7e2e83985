"""The parts of `benchmarks.vertex`."""
