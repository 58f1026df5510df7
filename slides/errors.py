"""What can be wrong with a slide file.

    SlideError
    ├── UnsupportedFile   not a slide, or a kind of slide that is not read here
    │   └── EmptyFile     nothing in it
    ├── DamagedFile       a slide, but not to its end
    └── OutsideSlide      the caller asked for pixels or tiles that the slide does not have

Catch `SlideError` around everything that touches a file somebody else made. Every message is a sentence
for a help desk: what was wanted, what was found, what to do. None holds a file name, a label or a tag's
free text, since these can hold a patient's name.
"""


class SlideError(Exception):
    """Something is wrong with a slide file, said in one sentence.

    Attributes:
        code: stable upper-case name of the kind of error, for rows, APIs and translations.
    """

    code = "SLIDE_ERROR"


class UnsupportedFile(SlideError):
    """The file is not a slide, or is one of a kind that is not read here."""

    code = "UNSUPPORTED_FILE"


class EmptyFile(UnsupportedFile):
    """The file holds no bytes, or the folder no files."""

    code = "EMPTY_FILE"


class DamagedFile(SlideError):
    """The file is a slide, but something in it is missing or cannot be decoded."""

    code = "DAMAGED_FILE"


class OutsideSlide(SlideError):
    """A region, level or tile that this slide does not have."""

    code = "OUTSIDE_SLIDE"
