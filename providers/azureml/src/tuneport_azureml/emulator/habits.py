"""What Azure ML does in a way that nobody documents: each one a switch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Habits:
    """page             jobs on one page of a list
    listing_lag_s    how long after its creation a list first has a job
    oldest_first     in which order jobs are listed
    honours_filters  whether a list keeps to jobType
    signs            the datastore gives out signatures; else an identity writes there by itself
    tells_version    a job that has succeeded names the version of the model that it registered
    history_lag_s    how long after a job's creation its run history first knows it
    blob_page        blobs on one page of a list of a container's
    model_store      the datastore that models are registered in
    deletes_jobs     whether a job of this kind may be deleted
    """

    page: int = 50
    listing_lag_s: float = 0.0
    oldest_first: bool = False
    honours_filters: bool = True
    signs: bool = True
    tells_version: bool = False
    history_lag_s: float = 0.0
    blob_page: int = 5000
    model_store: str = "workspaceartifactstore"
    deletes_jobs: bool = True
