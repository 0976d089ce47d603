"""One logical job is one billable POST, and what was paid for is never lost.

``journal`` keeps what an earlier try left behind, ``decision`` says what follows from it (a table without I/O),
``reconcile`` asks the account's history about a submit without a response, and ``submitter`` does what the table says.
"""
