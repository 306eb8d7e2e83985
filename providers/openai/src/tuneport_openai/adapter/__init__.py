"""The only part that imports the openai package, and only when something is asked."""
