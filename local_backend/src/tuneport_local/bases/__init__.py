"""Base models: where their weights are, loading them, and asking them."""
