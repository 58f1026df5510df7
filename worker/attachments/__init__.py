"""Files that are attached to cases: what they are, and copies of them that name nobody.

formats.py    which of the kinds that are taken in a file is, by its content, and its cleaned copy
jpeg, png, tiff, dicom, pdf    one kind each: bytes in, bytes out, pixels as they were
scanning.py   the virus scanner
keeping.py    where cleaned files lie; those that wait for the scanner, and those that nothing knows of

The kinds are read in confined processes only (worker.sandbox).
"""
