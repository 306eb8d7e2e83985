"""Quotes: what a tune would cost at every provider, from the counted tokens, each provider's own rule of billing and the price book."""
