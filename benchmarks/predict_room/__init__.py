"""What `benchmarks.predict` compares ours with."""
