"""What waits in the triggerer. It only sends GETs, so a trigger that runs twice costs nothing."""
