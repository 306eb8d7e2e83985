"""What a rented machine is given to train a job: our code as wheels, what it needs pinned, and the program that starts it."""

from tuneport_local.bundle.built import Bundle, built

__all__ = ["Bundle", "built"]
