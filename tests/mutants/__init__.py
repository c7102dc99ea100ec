"""Whether the fast tests notice when the program is changed: ``python -m tests.mutants`` (`make mutants`)."""
