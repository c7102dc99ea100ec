"""What a change of the stack does, told to whoever reviews it: from the engine's own events, as one Markdown comment.

Nothing here talks to Pulumi or to a cluster: it reads the event stream of a preview that has been made already.
"""
