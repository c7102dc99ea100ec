"""The cluster: how to reach it, what to ask of it, and why something on it is not as it should be."""
