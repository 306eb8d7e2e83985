"""Models that answer with a head of their own: labels and scores."""
