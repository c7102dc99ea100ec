"""How a stack is doing, told from the cluster alone: no config and no state. Nothing here changes anything."""
