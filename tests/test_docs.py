"""The documents hold what they say: every link, route, setting and error code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.error_catalogue import as_markdown, catalogue, meaning
from studio_pipelines.catalogue import ROSTER, collect
from studio_pipelines.errors import StudioError
from studio_pipelines.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
ERRORS = (ROOT / "docs" / "errors.md").read_text()
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_LINK = re.compile(r"\[[^\]]*\]\((?!https?://|mailto:)([^)\s#]*)(?:#([^)\s]*))?\)")


def _sources() -> Iterator[ast.Module]:
    for package in ("api", "resources", "studio_pipelines"):
        for path in sorted((ROOT / package).rglob("*.py")):
            yield ast.parse(path.read_text(), filename=str(path))


def _constants(body: list[ast.stmt]) -> dict[str, object]:
    """The names that a class body binds to plain values, annotated or not."""
    bound: dict[str, object] = {}
    for statement in body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            name, value = statement.targets[0].id, statement.value
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            name, value = statement.target.id, statement.value
        else:
            continue
        if isinstance(value, ast.Constant):
            bound[name] = value.value
    return bound


def _error_types() -> dict[str, int]:
    """The status of each error type by its code, read off the source so that none is missed."""
    found: dict[str, int] = {}
    for module in _sources():
        for node in ast.walk(module):
            if isinstance(node, ast.ClassDef):
                bound = _constants(node.body)
                if isinstance(bound.get("code"), str):
                    status = bound.get("status", StudioError.status)
                    found[str(bound["code"])] = int(str(status))
    return found


def _section(text: str, heading: str) -> str:
    _, _, rest = text.partition(f"\n{heading}\n")
    assert rest, f"there is no section {heading!r}"
    level = heading.split(maxsplit=1)[0]
    return re.split(rf"^#{{1,{len(level)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def _anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", document.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


def test_every_error_type_is_in_the_catalogue_with_its_status() -> None:
    error_types = _error_types()
    assert {"operation_failed", "unusable_media", "broker_unavailable"} <= set(error_types)
    assert {code: one.status for code, one in catalogue().items()} == error_types


def test_every_error_type_says_what_it_means_and_what_to_do() -> None:
    for code, fault in catalogue().items():
        assert meaning(fault).endswith("."), code
        assert fault.advice.endswith("."), code


def test_the_error_catalogue_is_current() -> None:
    assert as_markdown() == ERRORS, "make docs"


def test_every_documented_code_is_in_the_source() -> None:
    literals = {
        node.value
        for module in _sources()
        for node in ast.walk(module)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    documented = re.findall(r"^### (.+)$", ERRORS, flags=re.MULTILINE)
    assert [code for code in documented if code not in literals] == []


def test_set_up_is_two_commands() -> None:
    blocks = re.findall(r"```sh\n(.*?)```", _section(README, "## Set-up"), flags=re.DOTALL)
    assert [block.strip().splitlines() for block in blocks] == [["make demo", "make test"]]


def test_every_setting_is_in_the_table() -> None:
    rows = re.findall(r"^\| (`.*?) \|", _section(README, "## Configuration"), flags=re.MULTILINE)
    documented = {name for row in rows for name in re.findall(r"`(STUDIO_\w+)`", row)}
    assert documented == {f"STUDIO_{name.upper()}" for name in Settings.model_fields}


def test_the_route_table_tells_what_is_built() -> None:
    rows = re.findall(
        r"^\| `POST /api(/\S+)` \| `(\S+)` \| .+? \| (.+?) \|$", README, flags=re.MULTILINE
    )
    told = {worker: (route, state.startswith("built")) for route, worker, state in rows}
    built = {operation.worker for operation in collect(["studio_pipelines.operations"]).values()}
    assert told == {worker.id: (worker.route, worker.id in built) for worker in ROSTER}


def test_the_samples_in_commands_exist() -> None:
    named = set(re.findall(r"samples/[\w.-]+", README))
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_resolve(document: Path) -> None:
    broken: list[str] = []
    for target, anchor in _LINK.findall(document.read_text()):
        found = (document.parent / target).resolve() if target else document
        if not found.exists() or (anchor and anchor not in _anchors(found)):
            broken.append(f"{target}#{anchor}")
    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_modules_named_exist(document: Path) -> None:
    text = document.read_text()
    named = set(re.findall(r"\b(?:api|resources|studio_pipelines|tests|bench)/[\w/]+\.py\b", text))
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


def test_every_decision_is_in_the_index() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text()
    pages = sorted(path.name for path in folder.glob("[0-9]*.md"))
    assert re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", index) == pages
