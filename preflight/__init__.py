"""What is asked before anything is touched, in a preview too: whether this stack may and can come to this cluster."""
