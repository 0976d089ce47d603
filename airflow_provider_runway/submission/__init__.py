"""Promise 1: one logical job is one billable POST, and what was paid for is never lost.

``identity`` says which job this is, ``journal`` what an earlier try left behind, ``decision`` what
follows from it (a table without I/O), ``reconcile`` whether the account's history knows a submit
whose answer was lost, and ``submitter`` does what the table says.
"""
