"""The one exception that the lab's commands turn into a message instead of a traceback."""


class LabError(Exception):
    """Something the user can understand and usually mend; its text is all that is shown."""
