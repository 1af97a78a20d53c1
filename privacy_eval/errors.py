"""The one error a user can mend: bad input, told in one line."""

from __future__ import annotations


class InputError(ValueError):
    """Input that cannot be used: its one-line message says where, what was found, what was expected, what to do.

    The command line prints the message alone and exits with code 2.
    """
