"""Task instances and the emulator."""

from task_fixtures import gateway, has_state_store, logged, quick, ti  # noqa: F401
