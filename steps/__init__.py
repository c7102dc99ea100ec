"""What the stack's Commands run, and ``make verify``: ``python -m steps NAME``.

Arguments come on standard input (``model/arguments.py``), how the cluster is reached in environment variables
(``OPERATION_*``); results go to stdout, progress and causes to stderr.
"""
