"""Compatibility with Airflow 2.11 to 3.3. No other file asks which version is installed.

Names that only moved come from the ``common.compat`` provider. The functions below hide what behaves differently.
Airflow is imported when a name is first used: every process of Airflow loads the plugin, which needs none of it.
"""

from __future__ import annotations

import re
import time
from datetime import timedelta
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from airflow.providers.common.compat.sdk import (
        AirflowException,
        AirflowFailException,
        AirflowNotFoundException,
        AirflowSensorTimeout,
        AirflowSkipException,
        BaseHook,
        BaseOperator,
        BaseOperatorLink,
        BaseSensorOperator,
        Connection,
        DecoratedOperator,
        ObjectStoragePath,
        PokeReturnValue,
        TaskDecorator,
        task_decorator_factory,
    )
    from airflow.triggers.base import BaseTrigger, TriggerEvent

#: Class of Airflow -> the module that has it on every release.
_AIRFLOW_CLASSES = {
    **dict.fromkeys(
        (
            "AirflowException",
            "AirflowFailException",
            "AirflowNotFoundException",
            "AirflowSensorTimeout",
            "AirflowSkipException",
            "BaseHook",
            "BaseOperator",
            "BaseOperatorLink",
            "BaseSensorOperator",
            "DecoratedOperator",
            "PokeReturnValue",
            "TaskDecorator",
            "task_decorator_factory",
        ),
        "airflow.providers.common.compat.sdk",
    ),
    **dict.fromkeys(("BaseTrigger", "TriggerEvent"), "airflow.triggers.base"),
}

P = ParamSpec("P")
T = TypeVar("T")

#: The Airflow Variable that tells two deployments with one API key apart.
DEPLOYMENT_VARIABLE = "runway_deployment_id"

__all__ = [
    "DEPLOYMENT_VARIABLE",
    "AirflowException",
    "AirflowFailException",
    "AirflowNotFoundException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "BaseHook",
    "BaseOperator",
    "BaseOperatorLink",
    "BaseSensorOperator",
    "BaseTrigger",
    "DecoratedOperator",
    "PokeReturnValue",
    "TaskDecorator",
    "TriggerEvent",
    "call_decorated_function",
    "compute_next_retry_delay_s",
    "get_config",
    "get_connection_async",
    "get_deployment_id",
    "get_first_reschedule_at",
    "get_outlet_events",
    "get_stats",
    "get_storage_conn_id",
    "get_task_state_store",
    "get_unrendered",
    "has_plugin_pages",
    "is_asset",
    "is_asset_alias",
    "is_connection_missing",
    "is_storage_path",
    "log_rendered_fields",
    "make_asset",
    "make_cli_group",
    "make_operator_lineage",
    "make_storage_path",
    "make_timer_trigger",
    "make_unrendered",
    "mask_secret",
    "read_connection_in_command",
    "read_hook_lineage",
    "read_link_xcom",
    "report_read_file",
    "report_written_file",
    "run_in_thread",
    "task_decorator_factory",
    "to_openlineage_dataset",
]


def __getattr__(name: str) -> Any:
    """Import a class of Airflow when it is first used."""
    if name not in _AIRFLOW_CLASSES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value = getattr(import_module(_AIRFLOW_CLASSES[name]), name)
    return value


def call_decorated_function(task: DecoratedOperator, context: Any) -> Any:
    """Call the function of a decorated task with its rendered arguments, and with what it takes of the context."""
    from airflow.providers.common.compat.sdk import context_merge

    try:
        from airflow.sdk.bases.decorator import determine_kwargs
    except ImportError:  # Airflow 2
        from airflow.utils.operator_helpers import determine_kwargs  # type: ignore[attr-defined]
    context_merge(context, task.op_kwargs)
    return task.python_callable(*task.op_args, **determine_kwargs(task.python_callable, task.op_args, context))


async def get_connection_async(conn_id: str) -> Connection:
    """Return a connection without blocking the event loop.

    Airflow 2 has no async lookup; there the blocking one runs in a thread, which is safe because it
    reads the database or a secrets backend itself. On Airflow 3 a thread would talk to the
    supervisor while the event loop does so too, so only its own coroutine is used.
    """
    import asyncio

    from airflow.providers.common.compat.sdk import BaseHook

    lookup = getattr(BaseHook, "aget_connection", None)
    if lookup is not None:
        connection: Connection = await lookup(conn_id)
        return connection
    return await asyncio.to_thread(BaseHook.get_connection, conn_id)


async def run_in_thread(function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Call a function that blocks, such as one of a storage, without blocking the event loop of a triggerer.

    With asgiref, and not with ``asyncio.to_thread``: a lookup of a connection in the thread finds its way back to the
    event loop then, in which Airflow 3 talks to its supervisor.
    """
    from asgiref.sync import sync_to_async

    return await sync_to_async(function, thread_sensitive=False)(*arguments, **named)


async def is_connection_missing(conn_id: str) -> bool:
    """Return whether it is sure that a connection that was not found does not exist.

    Airflow asks its secrets backends one after the other, and treats one that fails like one that does not have the
    connection. So each is asked again; after an error the connection may exist.
    """
    import asyncio

    from airflow.providers.common.compat.sdk import BaseHook

    try:
        if hasattr(BaseHook, "aget_connection"):
            return await _is_connection_missing_on_airflow3(conn_id)
        return await asyncio.to_thread(_is_in_no_secrets_backend, conn_id)
    except ImportError:  # these are internals of Airflow; without them the first lookup counts
        return True
    except Exception:
        return False


def _is_in_no_secrets_backend(conn_id: str) -> bool:
    """Return whether no secrets backend of an Airflow component has a connection. Their errors come through."""
    from airflow.configuration import ensure_secrets_loaded

    return all(backend.get_connection(conn_id=conn_id) is None for backend in ensure_secrets_loaded())


async def _is_connection_missing_on_airflow3(conn_id: str) -> bool:
    import asyncio

    from airflow.sdk.execution_time.comms import ErrorResponse, GetConnection, GetTICount, TICount
    from airflow.sdk.execution_time.secrets import ExecutionAPISecretsBackend
    from airflow.sdk.execution_time.supervisor import ensure_secrets_backend_loaded

    for backend in ensure_secrets_backend_loaded():
        if isinstance(backend, ExecutionAPISecretsBackend):
            from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS

            # Behind Airflow's API, too, a database that is down looks like a missing connection. A count needs it.
            count = await SUPERVISOR_COMMS.asend(GetTICount(dag_id="-"))
            found = await SUPERVISOR_COMMS.asend(GetConnection(conn_id=conn_id))
            is_missing = isinstance(found, ErrorResponse) and found.error.value == "CONNECTION_NOT_FOUND"
            if not (isinstance(count, TICount) and is_missing):
                return False
        elif await asyncio.to_thread(backend.get_connection, conn_id=conn_id) is not None:
            return False
    return True


def get_task_state_store(context: Mapping[str, Any]) -> Any | None:
    """Return the task instance's state store, which survives retries; None before Airflow 3.3."""
    return context.get("task_state_store")


@cache
def get_deployment_id() -> str:
    """Return an id that all workers of this Airflow share, from restart to restart, and that no other Airflow has.

    It is an Airflow Variable, made by the first task that needs it. Where a Fernet key is configured its value is
    a digest of that, so that tasks which make it at the same time agree; the key cannot be read from it.
    """
    for pause_s in (0.0, 0.2, 1.0):  # a lookup that fails for another reason can look like a missing variable
        time.sleep(pause_s)
        if (value := _get_variable(DEPLOYMENT_VARIABLE)) is not None:
            return value
    import hashlib
    import uuid

    from airflow.providers.common.compat.sdk import AirflowException, Variable

    fernet_key = get_config("core", "fernet_key")
    made = hashlib.sha256(f"runway {fernet_key}".encode()).hexdigest() if fernet_key else uuid.uuid4().hex
    Variable.set(DEPLOYMENT_VARIABLE, made[:32])
    time.sleep(0.0 if fernet_key else 1.0)  # a task that makes one at the same time replaces ours, or we theirs
    if (value := _get_variable(DEPLOYMENT_VARIABLE)) is None:
        raise AirflowException(f"The Airflow Variable {DEPLOYMENT_VARIABLE} cannot be read back. Nothing was sent.")
    return value


def _get_variable(key: str) -> str | None:
    from airflow.providers.common.compat.sdk import Variable

    try:
        return str(Variable.get(key)) or None
    except KeyError:  # Airflow 2: there is none
        return None
    except Exception as problem:  # Airflow 3 has one class for everything that its API says
        if "NOT_FOUND" in str(problem).upper():
            return None
        raise


def compute_next_retry_delay_s(task: Any, try_number: int) -> float:
    """Return the minimum seconds until the retry that follows this try, as ``next_retry_datetime`` computes them.

    With an exponential backoff Airflow adds up to as much again at random, and limits it to a day (2.11.2 and 3.3.2).

    :param task: the operator, for its ``retry_delay``, ``retry_exponential_backoff`` and ``max_retry_delay``.
    """
    delay_s = _total_seconds(task.retry_delay)
    factor = task.retry_exponential_backoff
    factor = 2.0 if factor is True else float(factor or 1.0)  # a bool in Airflow 2, a multiplier in 3
    if factor != 1.0:
        delay_s = min(delay_s * factor ** min(try_number - 1, 20), _total_seconds(timedelta(days=1)))
        if task.max_retry_delay is not None:
            delay_s = min(delay_s, _total_seconds(task.max_retry_delay))
    return delay_s


def _total_seconds(delay: timedelta | float) -> float:
    return delay.total_seconds() if isinstance(delay, timedelta) else float(delay)


def get_first_reschedule_at(context: Mapping[str, Any], retries: int | None) -> float | None:
    """Return when a sensor in the mode ``reschedule`` began to poke (epoch seconds); None on its first poke."""
    ti = context["ti"]
    try:
        from airflow.sensors.base import _orig_start_date  # type: ignore[import-not-found]
    except ImportError:  # Airflow 3 asks the task instance
        date = ti.get_first_reschedule_date(context)
    else:
        date = _orig_start_date(
            dag_id=ti.dag_id,
            task_id=ti.task_id,
            run_id=ti.run_id,
            map_index=ti.map_index,
            try_number=(ti.max_tries or 0) - (retries or 0) + 1,
        )
    return None if date is None else float(date.timestamp())


def make_timer_trigger(fire_at: datetime) -> BaseTrigger:
    """Return Airflow's own trigger that fires at this time."""
    try:
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger
    except ImportError:  # Airflow 2 has it in its core
        from airflow.triggers.temporal import DateTimeTrigger  # type: ignore[no-redef, import-not-found]
    trigger: BaseTrigger = DateTimeTrigger(moment=fire_at)
    return trigger


def make_storage_path(path: str, conn_id: str | None = None) -> ObjectStoragePath:
    """Return a path on any storage that Airflow knows; a plain path is a local file.

    A connection in the URL (``s3://conn@bucket/key``) wins over ``conn_id``, as on Airflow 3. Airflow 2.11.2
    lets any ``conn_id`` win that is passed, None among them.
    """
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    if conn_id is None or "@" in urlsplit(path).netloc:
        return ObjectStoragePath(path)
    return ObjectStoragePath(path, conn_id=conn_id)


def is_storage_path(value: Any) -> bool:
    """Is this an ``ObjectStoragePath``? It is an ``os.PathLike`` on Airflow 2.11 and none on 3.3; ``str`` names it."""
    return hasattr(value, "protocol") and hasattr(value, "open")


def get_storage_conn_id(path: str, conn_id: str | None) -> str | None:
    """Return the id of the connection with which a storage is accessed; one in the URL wins."""
    return (urlsplit(path).netloc.rpartition("@")[0] if "://" in path else "") or conn_id


def get_config(section: str, option: str) -> str | None:
    """Return an option of Airflow's configuration, None where it is not set."""
    from airflow.providers.common.compat.sdk import conf

    value: str | None = conf.get(section, option, fallback=None)
    return value or None


def log_rendered_fields(operator: BaseOperator) -> None:
    """Log an operator's rendered fields, as Airflow's own ``dry_run`` does. Airflow 3.0 alone has none."""
    from airflow.providers.common.compat.sdk import BaseOperator

    if hasattr(BaseOperator, "dry_run"):
        BaseOperator.dry_run(operator)


def report_read_file(hook: BaseHook, uri: str) -> None:
    """Report to Airflow's lineage that a hook read a file."""
    _get_lineage_collector().add_input_asset(context=hook, uri=uri)


def report_written_file(hook: BaseHook, uri: str) -> None:
    """Report to Airflow's lineage that a hook wrote a file."""
    _get_lineage_collector().add_output_asset(context=hook, uri=uri)


def _get_lineage_collector() -> Any:
    from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector

    return get_hook_lineage_collector()  # type: ignore[no-untyped-call]


def make_asset(uri: str) -> Any:
    """Return the asset with this URI: an ``Asset``, or a ``Dataset`` on Airflow 2."""
    from airflow.providers.common.compat.sdk import Asset

    return Asset(uri=uri)


def is_asset(outlet: Any) -> bool:
    """Return whether an outlet is an asset, or on Airflow 3 a reference to one."""
    from airflow.providers.common.compat.sdk import Asset

    return isinstance(outlet, Asset) or "AssetRef" in {base.__name__ for base in type(outlet).__mro__}


def is_asset_alias(outlet: Any) -> bool:
    """Return whether an outlet is an alias, to which a task adds assets while it runs."""
    from airflow.providers.common.compat.sdk import AssetAlias

    return isinstance(outlet, AssetAlias)


def get_outlet_events(context: Mapping[str, Any]) -> Any | None:
    """Return the accessors of the events of a task's outlets, by the outlet."""
    return context.get("outlet_events")


def read_hook_lineage() -> tuple[list[Any], list[Any]]:
    """Return the OpenLineage datasets that hooks reported as read and as written in this process."""
    from airflow.providers.common.compat.openlineage.utils.utils import translate_airflow_asset

    collected = _get_lineage_collector().collected_assets
    inputs = [translate_airflow_asset(info.asset, info.context) for info in collected.inputs]
    outputs = [translate_airflow_asset(info.asset, info.context) for info in collected.outputs]
    return inputs, outputs


def to_openlineage_dataset(inlet_or_outlet: Any) -> Any | None:
    """Return the OpenLineage dataset of an author's inlet or outlet, None where it has none."""
    from airflow.providers.common.compat.openlineage.utils.utils import translate_airflow_asset
    from airflow.providers.common.compat.sdk import Asset
    from airflow.providers.openlineage.extractors.manager import ExtractorManager

    if isinstance(inlet_or_outlet, Asset):  # the manager translates assets only since a later release
        return translate_airflow_asset(inlet_or_outlet, None)
    return ExtractorManager.convert_to_ol_dataset(inlet_or_outlet)


def make_operator_lineage(inputs: list[Any], outputs: list[Any], run_facets: dict[str, Any]) -> Any:
    """Return what an operator hands to Airflow's OpenLineage provider."""
    from airflow.providers.openlineage.extractors import OperatorLineage

    return OperatorLineage(inputs=inputs, outputs=outputs, run_facets=run_facets)


def make_unrendered(value: Any) -> Any:
    """Return a value for a template field in which no Jinja is rendered. Outputs of other tasks are, also inside it."""
    if hasattr(value, "resolve"):
        return value
    try:
        from airflow.sdk.definitions._internal.templater import LiteralValue
    except ImportError:  # Airflow 2
        from airflow.template.templater import LiteralValue  # type: ignore[no-redef, import-not-found]

    class UnrenderedValue(LiteralValue):
        def iter_references(self) -> Iterator[Any]:
            for inner in _find_resolvable(self.value):
                yield from inner.iter_references()

        def resolve(self, context: Any, **options: Any) -> Any:
            return _resolve_inside(self.value, context, options)

    return UnrenderedValue(value)


def get_unrendered(value: Any) -> Any:
    """Return the value in what :func:`make_unrendered` returned, for a task whose templates were not rendered."""
    return value.value if type(value).__name__ == "UnrenderedValue" else value


def _find_resolvable(value: Any) -> Iterator[Any]:
    if hasattr(value, "iter_references"):
        yield value
    elif isinstance(value, list | tuple | dict):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _find_resolvable(inner)


def _resolve_inside(value: Any, context: Any, options: Mapping[str, Any]) -> Any:
    if hasattr(value, "iter_references"):
        return value.resolve(context, **options)
    if isinstance(value, dict):
        return {name: _resolve_inside(inner, context, options) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_resolve_inside(inner, context, options) for inner in value]
    return value


def mask_secret(secret: str) -> None:
    """Hide a secret in every log of this process."""
    try:  # common.compat has the name only since 1.22
        from airflow.sdk.log import mask_secret as mask_in_logs
    except ImportError:  # Airflow 2
        from airflow.utils.log.secrets_masker import mask_secret as mask_in_logs  # type: ignore[no-redef, import-not-found]

    mask_in_logs(secret)


@cache
def has_plugin_pages() -> bool:
    """Return whether this Airflow shows a plugin's pages in tabs, and lets the pages know the user: from 3.1.1 on.

    3.1.0 has the tabs, but keeps the caller's token where a page inside a tab does not get it.
    """
    from airflow import __version__

    release = re.match(r"(\d+)\.(\d+)\.(\d+)", __version__)
    return release is not None and tuple(map(int, release.groups())) >= (3, 1, 1)


@cache
def get_stats() -> Any:
    """Return Airflow's metrics."""
    from airflow.providers.common.compat.sdk import Stats

    return Stats


def read_link_xcom(ti_key: Any, key: str) -> Any:
    """Return an XCom for an operator link, in the webserver of Airflow 2.

    None on Airflow 3: there links are asked on the worker, where reading an XCom that does not exist logs an error.
    """
    try:
        import airflow.sdk  # noqa: F401
    except ImportError:
        from airflow.models.xcom import XCom

        return XCom.get_value(ti_key=ti_key, key=key)
    return None


def read_connection_in_command(conn_id: str) -> Connection:
    """Return a connection in a command of an administrator, which reads Airflow's database as Airflow's own do.

    :raises AirflowNotFoundException: there is no such connection.
    :raises AirflowException: a secrets backend or Airflow's database failed, so it is not known whether there is one.
    """
    from airflow.configuration import get_airflow_home
    from airflow.models.connection import Connection as CoreConnection

    try:
        connection: Connection = CoreConnection.get_connection_from_secrets(conn_id)
    except AirflowNotFoundException:
        try:
            _is_in_no_secrets_backend(conn_id)
        except Exception as problem:
            reason = str(problem).partition("\n")[0]
            raise AirflowException(
                f"Connection {conn_id!r} cannot be read, because a secrets backend or Airflow's database failed: "
                f"{reason}. AIRFLOW_HOME is {get_airflow_home()} here."
            ) from None
        raise
    return connection


def make_cli_group(
    group: str,
    group_help: str,
    commands: Iterable[
        tuple[str, str, Callable[[Namespace], None], Iterable[tuple[tuple[str, ...], Mapping[str, Any]]]]
    ],
) -> Any:
    """Return a group of commands for Airflow's own command line.

    :param commands: name, help, function and options of each.
    """
    from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand

    actions = []
    for name, command_help, run, options in commands:
        arguments = [Arg(flags, **details) for flags, details in options]  # type: ignore[no-untyped-call]
        actions.append(ActionCommand(name=name, help=command_help, func=run, args=arguments))
    return GroupCommand(name=group, help=group_help, subcommands=actions)
