"""Write the tables of the docs that follow from the code: ``make docs-tables``.

A page marks the place of each generated table:

    <!-- table: models -->
    (the table)
    <!-- end of table -->

To add a table, write a function below that returns its rows, add it to ``TABLES``, and put the marker into a page.
``python tools/docs_tables.py --check`` changes nothing and fails when a page is not current.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from pathlib import Path

from airflow_provider_runway.emulator import FAULTS, HISTORY_FORMS
from airflow_provider_runway.emulator.__main__ import make_parser
from airflow_provider_runway.emulator.fault_rules import RULE_FIELDS
from airflow_provider_runway.emulator.history_forms import FORM_FIELDS
from airflow_provider_runway.hooks.connection_form import FIELDS
from airflow_provider_runway.operators.batch import RunwayGenerateBatchOperator
from airflow_provider_runway.operators.runway import RunwayGenerateOperator
from airflow_provider_runway.outputs.path_template import PLACEHOLDERS
from airflow_provider_runway.segmind.http import GATEWAY_URL
from airflow_provider_runway.segmind.models import BUILT_IN_MODELS, DEFAULT_MODEL
from airflow_provider_runway.sensors.runway import RunwayJobSensor
from airflow_provider_runway.submission.classify_earlier_submit import EARLIER_SUBMIT_RULES
from airflow_provider_runway.submission.decision import RULES
from airflow_provider_runway.submission.decision_input import (
    Action,
    Attempt,
    HistoryLookup,
    Inputs,
    OnOrphanedIntent,
    RemoteState,
)
from airflow_provider_runway.triggers.metrics import ALL_METRICS
from docs_package_drawing import make_package_drawing
from docs_reference import list_argument_rows, list_status_rows, make_error_sections, make_option_sections
from docs_result_fields import list_column_rows, list_manifest_rows, list_result_rows, list_row_status_rows

ROOT = Path(__file__).resolve().parent.parent
PAGES = (
    "CONTRIBUTING.md",
    *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts),
)
MARKER = re.compile(r"(?P<begin><!-- table: (?P<name>\S+) -->\n).*?(?P<end><!-- end of table -->)", re.DOTALL)

#: What each action of the decision table means for the bill.
BILLED = {
    Action.POLL_JOB: "nothing",
    Action.ASK_HISTORY: "nothing",
    Action.SUBMIT: "this job, once",
    Action.SUBMIT_NEW_GENERATION: "this job; and the earlier one, if it completes",
    Action.REATTACH: "the job, once",
    Action.ADOPT: "the job, once",
    Action.DELIVER: "the job, once",
    Action.COME_BACK_LATER: "nothing yet",
    Action.REFUSE: "the lost job, if there is one",
    Action.FAIL: "the job, if it completed",
}
#: Jobs that ended so are not billed.
UNBILLED = frozenset({RemoteState.FAILED, RemoteState.BLOCKED})


def make_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def make_models_table() -> str:
    """Return the built-in models with the operator's arguments that they take."""
    rows = []
    for model in BUILT_IN_MODELS.values():
        inputs = []
        for field in model.fields:
            name = field.argument or f'model_params["{field.name}"]'
            values = f" {', '.join(map(str, field.allowed))}" if field.allowed else ""
            inputs.append(f"`{name}`{values}{' (required)' if field.required else ''}")
        default = " (default)" if model.slug == DEFAULT_MODEL else ""
        price = "" if model.price is None else model.price.describe()
        rows.append([f"`{model.slug}`{default}", "; ".join(inputs), price, f"{model.latency_s:g}"])
    return make_table(["model", "inputs", "price of a job", "mean latency, s"], rows)


def make_prices_table() -> str:
    """Return the prices of the built-in models, with their sources."""
    rows = [
        [f"`{model.slug}`", model.price.describe(), model.price.source, model.price.as_of]
        for model in BUILT_IN_MODELS.values()
        if model.price is not None
    ]
    return make_table(["model", "price of a job", "source", "as of"], rows)


def make_placeholders_table() -> str:
    """Return the placeholders of ``output_path``."""
    return make_table(["placeholder", "replaced by"], [[f"`{{{name}}}`", text] for name, text in PLACEHOLDERS.items()])


def make_connection_table() -> str:
    """Return the fields of the connection."""
    rows = [
        ["Gateway URL (host)", f"URL of the API. Empty: {GATEWAY_URL}"],
        ["API key (password)", "`SG_` and 16 hex digits. Empty: the variable `SEGMIND_API_KEY`"],
    ]
    rows += [[f"`{name}`", text] for name, (_, _, text) in FIELDS.items()]
    return make_table(["field", "meaning"], rows)


def make_arguments_table(operator: type, row_operator: type | None = None) -> str:
    """Return the arguments of an operator or a sensor, from its docstring and its constructor."""
    return make_table(["argument", "default", "templated", "meaning"], list_argument_rows(operator, row_operator))


def make_metrics_table() -> str:
    """Return the metrics that the poller sends."""
    rows = [
        [f"`{metric.name}`", metric.kind, metric.unit, ", ".join(metric.tags), metric.description]
        for metric in ALL_METRICS
    ]
    return make_table(["name", "kind", "unit", "tags", "what it counts"], rows)


def make_faults_table() -> str:
    """Return the emulator's faults, the calls that they apply to, and their parameters."""
    rows = []
    for fault in FAULTS.values():
        parameters = ", ".join(f"`{text}`" for text in fault.describe_params())
        rows.append([f"`{fault.name}`", fault.about, fault.describe_calls(), parameters])
    return make_table(["fault", "effect", "calls", "parameters and defaults"], rows)


def make_fault_rules_table() -> str:
    """Return the fields of a fault rule."""
    return make_table(["field", "meaning"], [[f"`{name}`", about] for name, about in RULE_FIELDS.items()])


def make_emulator_options_table() -> str:
    """Return the options of the emulator's command line, without those of the history's form."""
    actions = make_parser()._actions
    rows = []
    for action in actions:
        name = action.option_strings[-1]
        if name == "--help" or (name.startswith("--history-") and name != "--history-form"):
            continue
        about = (action.help or "").replace(" (%(default)s)", "").replace(" (plain)", "")
        values = f": {', '.join(f'`{each}`' for each in action.choices)}" if action.choices else ""
        values = "" if name == "--history-form" else values
        default = (
            "" if action.default is None or action.default is False or action.default == [] else str(action.default)
        )
        rows.append([f"`{name}`", about + values, default and f"`{default}`"])
    return make_table(["option", "meaning", "default"], rows)


def make_history_options_table() -> str:
    """Return the emulator's options for the form of the request history."""
    rows = []
    for name, spec in FORM_FIELDS.items():
        values = ", ".join(f"`{value}`" for value in spec.get("choices", ()))
        option = f"--history-{name.replace('_', '-')}"
        rows.append(
            [f"`{option}`", spec["about"], values or ("number" if isinstance(spec["default"], int) else "text")]
        )
    return make_table(["option", "open question", "values, the default first"], rows)


def make_history_forms_table() -> str:
    """Return the named forms of the emulator's request history."""
    return make_table(["name", "form"], [[f"`{named.name}`", named.about] for named in HISTORY_FORMS.values()])


def make_earlier_submit_table() -> str:
    """Return the first decision table: what an earlier submit may have left behind."""
    rows = []
    for rule in EARLIER_SUBMIT_RULES:
        cells = (join_values(rule.journal), join_values(rule.attempt, Attempt), join_values(rule.inputs, Inputs))
        rows.append([*cells, f"**{rule.earlier.value}**: {rule.why}"])
    return make_table(["journal", "attempt", "inputs", "what follows, and why"], rows)


def make_decision_table() -> str:
    """Return the second decision table: what is done, and what it costs."""
    rows = []
    for rule in RULES:
        asked = [join_values(rule.remote, RemoteState), join_values(rule.history, HistoryLookup)]
        asked += [join_values(rule.attempt, Attempt), join_values(rule.on_orphaned_intent, OnOrphanedIntent)]
        found = "; ".join(cell for cell in asked if cell)
        billed = BILLED[rule.action]
        if rule.action is Action.SUBMIT_NEW_GENERATION and not rule.earlier_may_be_billed:
            billed = BILLED[Action.SUBMIT]
        elif rule.remote <= UNBILLED:
            billed = "nothing"
        rows.append([rule.earlier.value, found or "-", rule.action.value, rule.why, billed])
    return make_table(["earlier submit", "what is found", "action", "why", "billed"], rows)


def join_values(covered: frozenset[StrEnum], everything: type[StrEnum] | None = None) -> str:
    """Return what a rule covers, in the order of the code; nothing where it covers everything."""
    if everything is not None and covered == frozenset(everything):
        return ""
    members = type(next(iter(covered)))
    return ", ".join(member.value for member in members if member in covered)


TABLES: dict[str, Callable[[], str]] = {
    "models": make_models_table,
    "prices": make_prices_table,
    "placeholders": make_placeholders_table,
    "result": lambda: make_table(["key", "value"], list_result_rows()),
    "connection": make_connection_table,
    "errors": make_error_sections,
    "statuses": lambda: make_table(["HTTP status", "error"], list_status_rows()),
    "options": make_option_sections,
    "operator-arguments": lambda: make_arguments_table(RunwayGenerateOperator),
    "batch-columns": lambda: make_table(["column", "value"], list_column_rows()),
    "batch-manifest": lambda: make_table(["key", "value"], list_manifest_rows()),
    "batch-statuses": lambda: make_table(["status", "meaning"], list_row_status_rows()),
    "batch-arguments": lambda: make_arguments_table(RunwayGenerateBatchOperator, RunwayGenerateOperator),
    "sensor-arguments": lambda: make_arguments_table(RunwayJobSensor),
    "metrics": make_metrics_table,
    "faults": make_faults_table,
    "fault-rules": make_fault_rules_table,
    "emulator-options": make_emulator_options_table,
    "history-options": make_history_options_table,
    "history-forms": make_history_forms_table,
    "packages": make_package_drawing,
    "earlier-submit": make_earlier_submit_table,
    "decision": make_decision_table,
}


def render(text: str) -> str:
    """Return a page with all its tables written anew."""
    return MARKER.sub(lambda found: found["begin"] + TABLES[found["name"]]() + found["end"], text)


def list_outdated_pages() -> list[str]:
    """Return the pages whose tables differ from the code."""
    return [page for page in PAGES if (text := (ROOT / page).read_text()) != render(text)]


def main() -> int:
    """Write the tables, or check them; return the exit code."""
    parser = argparse.ArgumentParser(description="Write the generated tables of the docs.")
    parser.add_argument("--check", action="store_true", help="change nothing, and fail if a page is not current")
    outdated = list_outdated_pages()
    if parser.parse_args().check:
        for page in outdated:
            print(f"{page} is not current; run: make docs-tables")
        return 1 if outdated else 0
    for page in outdated:
        path = ROOT / page
        path.write_text(render(path.read_text()))
        print(f"{page} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
