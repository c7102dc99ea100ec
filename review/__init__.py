"""What a change of the stack does, told to whoever reviews it: from the engine's own events, as one Markdown comment.

It reads the event stream of a preview that has been made already, and talks neither to Pulumi nor to a cluster; only
the comparison of two revisions (``review.revisions``) makes its previews itself.
"""
