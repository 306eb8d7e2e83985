"""The parts of benchmarks.train."""
