"""``make compat``: what was measured of Dapr's releases in the mesh, row by row, and the tables in docs/ made of it.

Each row is one measurement on the lab's cluster. Its result is kept in ``results.json``, so that a run which broke off
goes on with what is missing.
"""
