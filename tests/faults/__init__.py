"""Faults, one after the other, on the lab: what must hold after each, and what did."""
