"""The one error of the local stack."""


class StackError(Exception):
    """Something on this machine is missing or in the way; the text is one sentence that says what to do."""
