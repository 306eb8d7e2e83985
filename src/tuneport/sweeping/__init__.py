"""A sweep: one recipe trained several times with other settings, each time a job like any other, until the best of them are known."""
