"""The whole graph of resources, with recording mocks in place of engine and providers."""
