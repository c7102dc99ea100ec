"""Contract tests of the lab's stand-in for the published pulumi-command provider."""
