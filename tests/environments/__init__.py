"""Environments: promotion, and what CI does to each stack."""
