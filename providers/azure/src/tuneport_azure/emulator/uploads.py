"""The Uploads API of a resource: the sister's, under Azure's paths."""

from __future__ import annotations

from typing import Any

from tuneport_openai.emulator.uploads import Upload, Uploads

from tuneport_azure.emulator.files import file_json
from tuneport_azure.emulator.versions import DataRoutes
from tuneport_azure.emulator.world import AzureWorld


class AzureUploads(Uploads):
    """Serves /uploads."""

    def __init__(self, world: AzureWorld, routes: DataRoutes) -> None:
        self._world: AzureWorld = world
        routes.add("POST /uploads", self.create)
        routes.add("POST /uploads/{upload_id}/parts", self.add_part)
        routes.add("POST /uploads/{upload_id}/complete", self.complete)
        routes.add("POST /uploads/{upload_id}/cancel", self.cancel)

    def _json(self, upload: Upload) -> dict[str, Any]:
        value = super()._json(upload)
        return {**value, "file": file_json(upload.file, self._world) if upload.file else None}
