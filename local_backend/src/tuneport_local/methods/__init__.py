"""Each training method: its rows, its settings, its trainer."""
