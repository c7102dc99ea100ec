"""What the walkthrough says, as plain values and pure functions: no Pulumi, no cluster."""
