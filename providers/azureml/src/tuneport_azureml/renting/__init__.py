"""Machines of a workspace, rented for our own trainer: engine `azureml` of the local backend has a command job for each launch."""
