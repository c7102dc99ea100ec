"""What the stack's Commands run, and ``make verify``: ``python -m operations <name>``.

Arguments come in environment variables (``OPERATION_*``), results go to stdout, progress and causes to stderr.
The cluster is the one that KUBECONFIG's current context names, as for the Kubernetes provider.
"""
