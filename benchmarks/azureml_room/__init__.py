"""The parts of `benchmarks.azureml`."""
