"""The documents keep up with the code: links lead somewhere, code shown is code that is there, tables say what the code says."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from tuneport import errors
from tuneport.catalogue import catalogue
from tuneport.catalogue import page as models_page
from tuneport.catalogue.book_check import without_base
from tuneport.cli import main
from tuneport.job import JobState
from tuneport.prices import page as prices_page
from tuneport.prices.book import own_prices
from tuneport.recipe import Recipe

ROOT = Path(__file__).parents[1]
NOT_OURS = ("demo", "build", "dist", "node_modules")
"""Folders that tools and the demo leave behind; those that begin with a dot are passed over too."""
DOCUMENTS = sorted(
    path for path in ROOT.rglob("*.md") if not any(part.startswith(".") or part in NOT_OURS for part in path.relative_to(ROOT).parent.parts)
)
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(document: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return [code for found, code in BLOCK.findall(text) if found == language]


def anchors(path: Path) -> set[str]:
    """The anchors that a page's headings get."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_leads_to_a_file_and_a_heading_of_this_repository(path: Path) -> None:
    broken = []
    for link in LINK.findall(path.read_text(encoding="utf-8")):
        if link.startswith("https://"):
            continue
        place, _, anchor = link.partition("#")
        target = (path.parent / place).resolve() if place else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_lines_of_prose_can_be_read_in_an_editor(path: Path) -> None:
    long = [line for line in path.read_text(encoding="utf-8").splitlines() if len(line) > 160 and not line.lstrip().startswith("|")]
    assert not long


def test_the_tutorial_shows_code_that_is_in_the_package_it_builds() -> None:
    package = ROOT / "tests" / "outside_provider"
    texts = [path.read_text(encoding="utf-8") for path in package.rglob("*.py")]
    shown = blocks("docs/adding-a-provider.md", "python")
    assert len(shown) > 8
    assert [code for code in shown if not any(code in text for text in texts)] == []
    (entry_point,) = blocks("docs/adding-a-provider.md", "toml")
    assert entry_point in (package / "pyproject.toml").read_text(encoding="utf-8")


def test_the_readme_shows_the_code_of_the_first_example() -> None:
    example = (ROOT / "examples" / "local_sft.py").read_text(encoding="utf-8")
    lines = [line.strip() for line in blocks("README.md", "python")[0].splitlines() if line.strip()]
    here = [line.strip() for line in example.replace("DATA / ", '"examples/data/" ').splitlines()]
    flattened = [line.replace('"examples/data/" "', '"examples/data/') for line in here]
    assert [line for line in lines if line not in flattened] == []


def commands() -> list[tuple[str, str]]:
    """(document, command) for every `tuneport …` line in a fenced block without a language."""
    return [
        (path.relative_to(ROOT).as_posix(), line.removeprefix(".venv/bin/"))
        for path in DOCUMENTS
        for block in blocks(path.relative_to(ROOT).as_posix(), "")
        for line in block.splitlines()
        if re.match(r"(\.venv/bin/)?tuneport [a-z]", line)
    ]


def test_every_command_shown_exists_and_has_the_options_shown(capsys: pytest.CaptureFixture[str]) -> None:
    shown = commands()
    assert len(shown) > 15
    for document, line in shown:
        words = shlex.split(line.partition("  ")[0])[1:]
        group = (
            words[:2] if words[0] in ("data", "recipe", "prices", "jobs", "models") or words[:2] == ["providers", "check"] else words[:1]
        )
        assert main([*group, "--help"]) == 0, f"{document}: {line}"
        known = capsys.readouterr().out
        for option in (word for word in words if word.startswith("--")):
            assert re.search(rf"{option}\b", known), f"{document}: {line}: there is no {option}"


def test_the_exit_codes_of_the_documents_are_those_of_the_errors() -> None:
    codes = {error.exit_code for error in vars(errors).values() if isinstance(error, type) and issubclass(error, errors.TuneportError)}
    for document in ("README.md", "docs/cli.md"):
        written = re.findall(r"^\| (\d+) \|", (ROOT / document).read_text(encoding="utf-8"), re.MULTILINE)
        assert {int(code) for code in written} == codes | {0}


STATES = {state.value for state in JobState}


def lists_of_states(text: str) -> list[list[str]]:
    """What stands between backticks and names three states or more: a list of states, whatever else is in it."""
    spans = [span.split() for span in re.findall(r"(?<!`)`([a-z]+(?:\s+[a-z]+)+)`(?!`)", text)]
    return [words for words in spans if len(STATES & set(words)) >= 3]


def test_every_list_of_states_has_all_states_of_a_job_and_no_other() -> None:
    texts = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in DOCUMENTS}
    lists = {document: found for document, text in texts.items() if (found := lists_of_states(text))}
    assert {"docs/cli.md", "docs/architecture.md"} <= lists.keys()
    for document, found in lists.items():
        listed = [word for words in found for word in words]
        alone = {state for state in STATES if f"`{state}`" in texts[document]}  # `unknown` has a sentence of its own
        assert set(listed) - STATES == set(), document
        assert STATES - set(listed) - alone == set(), document
        assert len(listed) == len(set(listed)), document


def test_every_document_of_the_checkout_is_looked_at() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in DOCUMENTS}
    assert {"README.md", "docs/local.md", "benchmarks/README.md", "examples/data/README.md", "tests/outside_provider/README.md"} <= names
    assert not any(name.startswith((".venv", "demo/")) for name in names)


def test_the_settings_of_the_local_backend_are_all_described() -> None:
    planning = pytest.importorskip("tuneport_local.plans.planning")
    profile = pytest.importorskip("tuneport_local.profile")
    text = (ROOT / "docs" / "local.md").read_text(encoding="utf-8")
    names = {*planning.LocalOptions.model_fields, *profile.LocalProfile.model_fields} - {"provider"}
    assert [name for name in sorted(names) if name not in text] == []


def test_configuration_shown_is_configuration_that_is_understood(tmp_path: Path) -> None:
    from tuneport.settings import load_settings

    for number, document in enumerate(("docs/cli.md", "docs/local.md")):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "tuneport.toml").write_text(blocks(document, "toml")[0], encoding="utf-8")
        settings = load_settings(environ={"TUNEPORT_CONFIG": str(folder / "none.toml")}, folder=folder)
        assert "local" in settings.providers


def test_the_recipe_of_the_readme_is_the_example_recipe() -> None:
    shown = blocks("README.md", "toml")[0]
    written = tomllib.loads((ROOT / "examples" / "recipes" / "tickets.toml").read_text(encoding="utf-8"))
    assert tomllib.loads(shown) == {**written, "train": "examples/data/tickets-train.jsonl"}
    assert Recipe.parse(tomllib.loads(shown), folder=ROOT).train.count() == 288


def test_the_pages_of_prices_and_models_are_what_the_tables_say() -> None:
    assert (ROOT / "docs" / "prices.md").read_text(encoding="utf-8") == prices_page.document()
    assert (ROOT / "docs" / "models.md").read_text(encoding="utf-8") == models_page.document()


def test_own_prices_that_are_shown_can_be_used_and_are_of_things_that_are_known(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(blocks("docs/prices.md", "toml")[0], encoding="utf-8")
    rows = own_prices(path)
    assert len(rows) == 2
    assert list(without_base(rows, catalogue())) == []
