"""The exception of every runtime."""


class RuntimeFault(Exception):
    """A fault that the user can correct; the text says how."""
