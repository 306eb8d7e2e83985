"""All that a submit sends, in order, for a dry run to show: as at OpenAI, but that files may be fetched by the vendor."""

from __future__ import annotations

from collections.abc import Iterator

from tuneport_openai.adapter.files import PURPOSE
from tuneport_openai.adapter.sends import created, uploaded

from tuneport.plan import Plan, PlannedRequest
from tuneport_azure.profile import Resource
from tuneport_azure.wire.dialect import file_rules
from tuneport_azure.wire.plans import ImportedFile


def sends(plan: Plan, resource: Resource) -> Iterator[PlannedRequest]:
    """What is only known then stands in braces; of a signed address only the variable that holds it."""
    for file in plan.files:
        if isinstance(file, ImportedFile):
            body = {"purpose": PURPOSE, "filename": file.name, "content_url": f"{{{file.variable}}}"}
            yield PlannedRequest("POST /files/import", body)
        else:
            yield from uploaded(file, resource, rules=file_rules(resource.api_version))
    yield created(plan)
