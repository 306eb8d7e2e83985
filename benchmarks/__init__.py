"""What `make bench` runs. See README.md."""
