"""What can go wrong with the embedded services. Catch `EmbeddedError` for all of it.

EmbeddedError
  FolderUnusable    a folder belongs to somebody else or cannot be reached
  AlreadyRunning    another supervisor owns the data folder
  DidNotStart       a program is missing, ended at once or never answered
  OneOffFailed      a command that must succeed before the rest did not
  GivenUp           the caller asked to stop while something was still starting
"""


class EmbeddedError(Exception):
    """The sentence says what was wanted, what was met and what to do."""


class FolderUnusable(EmbeddedError):
    """A folder belongs to somebody else, holds something else or cannot be reached."""


class AlreadyRunning(EmbeddedError):
    """Another supervisor owns the data folder."""


class DidNotStart(EmbeddedError):
    """A program is missing, ended at once or never answered."""


class OneOffFailed(EmbeddedError):
    """A command that must succeed before the rest did not."""


class GivenUp(EmbeddedError):
    """The caller asked to stop while something was still starting."""
