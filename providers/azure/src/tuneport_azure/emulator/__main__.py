"""python -m tuneport_azure.emulator: rehearse without a subscription."""

from __future__ import annotations

from collections.abc import Sequence

from tuneport.testing.emulator.rehearsal import rehearse
from tuneport_azure.emulator.platform import GROUP, SUBSCRIPTION, AzureEmulator


def main(words: Sequence[str] | None = None) -> int:
    """Serves until interrupted."""
    return rehearse(AzureEmulator, words, package="tuneport_azure.emulator", about=__doc__, said=said)


def said(emulator: AzureEmulator) -> list[str]:
    """What to export, and what to write into tuneport.toml."""
    owner, user = (emulator.token(role=role) for role in ("owner", "user"))
    return [
        f"export AZURE_OPENAI_ENDPOINT={emulator.endpoint()}",
        f"export AZURE_OPENAI_API_KEY={emulator.key()}",
        f"export AZURE_SUBSCRIPTION_ID={SUBSCRIPTION}",
        f"export AZURE_RESOURCE_GROUP={GROUP}",
        f"export AZURE_MANAGEMENT_TOKEN={owner}   # an owner, who may deploy",
        f"#      AZURE_MANAGEMENT_TOKEN={user}   # a user, who may train but not deploy",
        f"#      AZURE_OPENAI_ENDPOINT={emulator.endpoint('nordic')}  AZURE_OPENAI_API_KEY={emulator.key('nordic')}   # all tiers",
        f"#      AZURE_OPENAI_ENDPOINT={emulator.endpoint('remote')}  AZURE_OPENAI_API_KEY={emulator.key('remote')}   # no fine-tuning",
        "",
        "# tuneport.toml",
        "[providers.azure]",
        f'management_url = "{emulator.management_url}"',
    ]


if __name__ == "__main__":
    raise SystemExit(main())
