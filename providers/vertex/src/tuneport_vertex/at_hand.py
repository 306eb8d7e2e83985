"""What this machine says of who is signed in at Google Cloud, by its files alone: nothing is asked, run or imported.

Google's own chain ends at the metadata server, which on other machines than Google's is waited for in vain for seconds. So it is only begun
where there is something for it to find. Places: google-auth 2.62 and the gcloud CLI, read 2026-11-21.
"""

from __future__ import annotations

import configparser
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILE = "GOOGLE_APPLICATION_CREDENTIALS"
FOLDER = "CLOUDSDK_CONFIG"
PROJECT = "CLOUDSDK_CORE_PROJECT"
METADATA = ("GCE_METADATA_HOST", "GCE_METADATA_IP", "GCE_METADATA_ROOT")
SERVERLESS = ("K_SERVICE", "CLOUD_RUN_JOB", "GAE_SERVICE")
"""What Cloud Run (also as Cloud Functions) and App Engine set in each container, which may see nothing of the machine below."""
PRODUCT = Path("/sys/class/dmi/id/product_name")
"""What Linux says of the machine; on Google's it begins with Google."""


def is_signed_in(environ: Mapping[str, str] | None = None) -> bool:
    """Whether Google's chain has anything to find: a file of credentials, or a machine of Google's."""
    given = _given(environ)
    return bool(given.get(FILE)) or _gcloud(given).is_file() or is_googles(given)


def is_googles(environ: Mapping[str, str] | None = None) -> bool:
    """Whether this is one of Google's machines or containers, which have a metadata server, or somebody names one."""
    if any(_given(environ).get(name) for name in (*METADATA, *SERVERLESS)):
        return True
    try:
        return PRODUCT.read_text("utf-8").strip().startswith("Google")
    except OSError:
        return False


def project(environ: Mapping[str, str] | None = None) -> str | None:
    """The project of the credentials: that of a service account, else what gcloud is set to, else the one that quotas are counted for."""
    given = _given(environ)
    named = given.get(FILE)
    credentials = _json(Path(named).expanduser() if named else _gcloud(given))
    found = credentials.get("project_id") or given.get(PROJECT) or _configured(given) or credentials.get("quota_project_id")
    return found if isinstance(found, str) and found else None


def _given(environ: Mapping[str, str] | None) -> Mapping[str, str]:
    return os.environ if environ is None else environ


def _folder(environ: Mapping[str, str]) -> Path:
    if named := environ.get(FOLDER):
        return Path(named)
    windows = environ.get("APPDATA") if os.name == "nt" else None
    return Path(windows) / "gcloud" if windows else Path(environ.get("HOME") or Path.home()) / ".config" / "gcloud"


def _gcloud(environ: Mapping[str, str]) -> Path:
    """What `gcloud auth application-default login` writes."""
    return _folder(environ) / "application_default_credentials.json"


def _configured(environ: Mapping[str, str]) -> str | None:
    """The project of gcloud's active configuration."""
    folder = _folder(environ)
    try:
        active = environ.get("CLOUDSDK_ACTIVE_CONFIG_NAME") or (folder / "active_config").read_text("utf-8").strip()
        found = configparser.ConfigParser(interpolation=None)
        found.read_string((folder / "configurations" / f"config_{active}").read_text("utf-8"))
    except (OSError, ValueError, configparser.Error):
        return None
    return found.get("core", "project", fallback=None)


def _json(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
