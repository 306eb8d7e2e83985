"""What `benchmarks.data` is made of."""
