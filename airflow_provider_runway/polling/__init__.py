"""When to poll which job, as values: time is passed in, and nothing here waits or sends."""
