"""The buttons on a task's page."""
