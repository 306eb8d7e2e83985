"""What the benchmarks of the providers have in common: their command, their parts in processes, and how each part measures."""
