"""The parts of `benchmarks.openai`."""
