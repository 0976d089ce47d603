"""The link buttons on a task's page."""
