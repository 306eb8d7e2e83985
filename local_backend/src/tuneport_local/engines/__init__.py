"""What trains a job: the worker itself, or a group of processes that it starts and watches."""
