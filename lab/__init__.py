"""The lab: a real single-node Kubernetes cluster and Pulumi's engine, built from package registries only.

It exists so that the walkthrough can run for real on a machine that has nothing but root, Python and Go. It is
apart from the Pulumi program: nothing outside this package imports it except tests, and it never imports the program.

`lab.api` is what tests use; `python -m lab` is what people (through the Makefile) use.
"""
