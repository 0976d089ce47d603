"""When to ask, as values: time is handed in, and nothing in here waits."""
