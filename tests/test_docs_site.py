"""The docs hold together: snippets are parts of files that tests run, every error has its help, links are checked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import check_site
from airflow_provider_runway.batch.results import RowStatus
from airflow_provider_runway.exceptions import list_error_classes
from docs_reference import ERROR_HELP, list_argument_rows
from docs_tables import ROOT
from mermaid_to_svg import make_rows, parse_flowchart

DOCS = ROOT / "docs"
SNIPPETS = DOCS / "snippets"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)
README = (ROOT / "README.md").read_text()
INCLUDED = re.compile(r"^```\{literalinclude\} (\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def name_of(path: Path) -> str:
    """Return a page's name for a test's id."""
    return path.relative_to(DOCS).as_posix()


def test_no_page_has_code_that_no_test_runs(subtests: pytest.Subtests) -> None:
    for page in PAGES:
        with subtests.test(name_of(page)):
            languages = re.findall(r"^ *```([a-z]\w*)", page.read_text(), re.MULTILINE)
            assert set(languages) <= {"json", "text", "mermaid"}, "put the code into docs/snippets and include it"


def test_each_snippet_is_on_a_page() -> None:
    used = {(page.parent / path).resolve() for page in PAGES for path, _ in INCLUDED.findall(page.read_text())}
    assert [path.name for path in SNIPPETS.iterdir() if path.is_file() and path.resolve() not in used] == []


def test_each_command_of_the_docs_is_on_a_page() -> None:
    marks = set(re.findall(r"# \[start: (.+)\]", (SNIPPETS / "commands.sh").read_text()))
    text = "".join(page.read_text() for page in PAGES)
    assert {mark for mark in marks if f'"[start: {mark}]"' not in text} == set()


def test_the_code_of_the_readme_is_that_of_the_snippets() -> None:
    (dag,) = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert dag == (SNIPPETS / "sunflowers.py").read_text()
    commands = (SNIPPETS / "commands.sh").read_text().splitlines()
    lines = [
        line for block in re.findall(r"^```bash\n(.*?)^```", README, re.M | re.DOTALL) for line in block.split("\n")
    ]
    assert [line for line in lines if line and line not in commands] == []


def test_the_links_of_a_page_outside_the_site_lead_to_files(subtests: pytest.Subtests) -> None:
    for page in ("README.md", "CONTRIBUTING.md"):
        with subtests.test(page=page):
            links = re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / page).read_text())
            assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


def test_each_error_has_its_help() -> None:
    assert set(ERROR_HELP) == set(list_error_classes())


def test_the_page_of_batches_names_each_status_of_a_row() -> None:
    page = (DOCS / "batch.md").read_text()
    assert [status for status in RowStatus if f"\n| `{status}` |" not in page] == []


def test_an_argument_without_a_description_fails_the_generation() -> None:
    class Operator:
        """An operator.

        :param known: is described.
        """

        template_fields = ()

        def __init__(self, known: int = 5, unknown: int = 6) -> None: ...

    with pytest.raises(ValueError, match="unknown"):
        list(list_argument_rows(Operator))


def test_each_decision_has_its_three_parts_and_a_line_in_the_list() -> None:
    decisions = [page for page in PAGES if page.parent.name == "decisions" and page.name != "index.md"]
    listed = (DOCS / "decisions" / "index.md").read_text()
    for page in decisions:
        title, *parts = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
        assert parts == ["Context", "Decision", "Consequences"]
        assert f"[{title}]({page.name})" in listed


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        pytest.param('<a href="gone.html">', "a page that does not exist", id="a page is missing"),
        pytest.param('<a href="other.html#gone">', "an anchor that does not exist", id="an anchor is missing"),
        pytest.param('<a href="#gone">', "an anchor that does not exist", id="an anchor of the same page is missing"),
        pytest.param('<a href="javascript:x()">', "a scheme that no reader can follow", id="a link runs a script"),
        pytest.param('<script src="https://cdn.example/x.js">', "from another host", id="a script is not the site's"),
        pytest.param('<img src="gone.png">', "does not exist", id="a picture is missing"),
        pytest.param('<p id="x"><p id="x">', "stands 2 times", id="an id is not unique"),
        pytest.param('<a href="other.html#there"><a href="https://example.com/gone">', None, id="all links lead on"),
    ],
)
def test_what_is_wrong_with_a_site_is_found(tmp_path: Path, body: str, problem: str | None) -> None:
    (tmp_path / "index.html").write_text(body)
    (tmp_path / "other.html").write_text('<p id="there">')
    (tmp_path / "searchindex.js").write_text('Search.setIndex({"docnames":["index","other"]})')
    problems = list(check_site.find_problems(tmp_path))
    assert len(problems) == (0 if problem is None else 1)
    assert all(problem in found for found in problems if problem)


def test_a_page_that_the_search_does_not_know_is_found(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("")
    (tmp_path / "searchindex.js").write_text('Search.setIndex({"docnames":["other"]})')
    assert list(check_site.find_problems(tmp_path)) == ["index.html: the search does not know this page"]


def test_a_flowchart_is_drawn_with_each_name_above_all_that_it_leads_to() -> None:
    names, arrows = parse_flowchart("flowchart TD\n  a --> b\n  b --> c\n  a --> c\n  d --> c\n  alone\n")
    rows = make_rows(names, arrows)
    row_of = {name: number for number, row in enumerate(rows) for name in row}
    assert set(row_of) == {"a", "b", "c", "d", "alone"}
    assert all(row_of[source] < row_of[target] for source, target in arrows)


def test_a_flowchart_of_another_form_is_refused() -> None:
    with pytest.raises(ValueError, match="not `a --> b`"):
        parse_flowchart("flowchart TD\n  a -- text --> b\n")
