"""What the stack's Commands run, and ``make verify``: ``python -m steps NAME``.

Arguments come in environment variables (``OPERATION_*``), results go to stdout, progress and causes to stderr.
"""
