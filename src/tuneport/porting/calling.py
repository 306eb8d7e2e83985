"""How a tuned model is called from Python: the dated, sourced table calling.toml, and the few lines of code that follow from it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import msgspec

from tuneport.prices.book import read_row
from tuneport.serving import KEY_VARIABLE, url_at

SERVED_AT = url_at("127.0.0.1", 8000)
"""Where `tuneport models serve` listens unless it is told otherwise."""


class Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How one provider is called; the keys are explained in calling.toml."""

    provider: str
    as_of: date
    source: str
    sdk: Literal["openai", "google-genai"] = "openai"
    key_env: str = ""
    address_env: str = ""
    path: str = ""
    deployed: bool = False
    needs: str = ""


@cache
def calls() -> dict[str, Call]:
    """All of them, by provider."""
    rows = tomllib.loads(files("tuneport.porting").joinpath("calling.toml").read_text(encoding="utf-8"))["calls"]
    read = [read_row(row, Call, place=f"calling.toml: row {number}") for number, row in enumerate(rows, start=1)]
    return {each.provider: each for each in read}


@dataclass(frozen=True, slots=True)
class Callee:
    """What is called: `model` as a request names it, at an `address` and with a key, both Python expressions; '' is the SDK's own."""

    model: str
    address: str = ""
    key: str = ""


def by_table(call: Call, model: str, *, profile: Mapping[str, Any]) -> Callee:
    """At a provider of the table, as its profile says."""
    key_env = str(profile.get("api_key_env") or call.key_env)
    if profile.get("base_url"):
        address = _literal(str(profile["base_url"]))
    elif profile.get("endpoint"):
        address = _literal(str(profile["endpoint"]).rstrip("/") + call.path)
    elif call.address_env:
        address = f'os.environ["{call.address_env}"].rstrip("/") + "{call.path}"'
    else:
        address = ""
    own = not address and key_env == call.key_env
    return Callee(model, address, "" if own else f'os.environ["{key_env}"]')


def served(model: str) -> Callee:
    """On this machine, behind `tuneport models serve`."""
    return Callee(model, _literal(SERVED_AT), f'os.environ["{KEY_VARIABLE}"]')


def _literal(text: str) -> str:
    """As Python spells it between double quotes, which is as JSON does but for characters beyond 16 bits."""
    return json.dumps(text, ensure_ascii=False)


def openai_code(callee: Callee) -> str:
    """A whole program that asks once, on the vendor's own SDK."""
    arguments = [f"{name}={value}" for name, value in (("base_url", callee.address), ("api_key", callee.key)) if value]
    opened = "client = OpenAI()"
    if arguments:
        opened = "client = OpenAI(\n" + "".join(f"    {argument},\n" for argument in arguments) + ")"
    imports = "import os\nimport sys\n" if callee.address or callee.key else "import sys\n"
    return (
        f"{imports}\nfrom openai import OpenAI\n\n{opened}\n"
        "answer = client.chat.completions.create(\n"
        f"    model={_literal(callee.model)},\n"
        '    messages=[{"role": "user", "content": sys.argv[1]}],\n'
        ")\n"
        "print(answer.choices[0].message.content)\n"
    )


def genai_code(endpoint: str, *, profile: Mapping[str, Any]) -> str:
    """Likewise on Google's, for a model that answers at an endpoint `PROJECT/LOCATION/endpoints/ID`; signed in as the SDK finds it."""
    project, location, _, number = endpoint.split("/")
    name = f"projects/{project}/locations/{location}/endpoints/{number}"
    options = f', http_options={{"base_url": {_literal(str(profile["endpoint"]))}}}' if profile.get("endpoint") else ""
    return (
        "import sys\n\nfrom google import genai\n\n"
        f"client = genai.Client(enterprise=True, project={_literal(project)}, location={_literal(location)}{options})\n"
        f"answer = client.models.generate_content(model={_literal(name)}, contents=sys.argv[1])\n"
        "print(answer.text)\n"
    )


def tuneport_code(uri: str) -> str:
    """The same through Tuneport's own client, which asks whatever has a server."""
    return (
        "import sys\n\nimport tuneport as tp\nfrom tuneport.examples import Message\n\n"
        "with tp.Client() as client:\n"
        f'    print("".join(client.chat({_literal(uri)}, [Message("user", sys.argv[1])])))\n'
    )
