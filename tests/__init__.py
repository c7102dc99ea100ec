"""The project's tests, one package a tier."""
