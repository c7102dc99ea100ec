"""Pure tests: no Pulumi, no cluster, nothing waited for."""
