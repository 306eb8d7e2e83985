"""What a recipe becomes here, and what it costs, told without torch."""
