"""The worker on a machine that somebody has rented for a job: `python -m tuneport_local.remote <place>`."""
