"""What a verification costs, by the number of apps: ``python -m tests.bench`` writes it into docs/verification.md."""
