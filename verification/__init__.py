"""Whether the cluster does what a stage promises. Nothing here changes anything."""
