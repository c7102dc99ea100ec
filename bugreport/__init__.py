"""Everything that helps to understand a stack that is not well, in one archive without secrets."""
