"""Contract tests of the two hello-kubernetes apps: real processes against a Dapr made of a few lines."""
