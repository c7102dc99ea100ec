"""The policies: pure rules, their exceptions, the environments' files."""
