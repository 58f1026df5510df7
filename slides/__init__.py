"""Whole-slide files: which bytes, which pixels, and what a file says of itself.

Start at `opening.open_slide`; `slide.Slide` is what comes back, `readers/` how each kind of file is read,
`inspection` whether a file is complete, `archive` where originals are kept, `drawing` made-up tissue.
"""
