"""Made-up tissue on made-up glass: for trying the product and for tests, never for diagnosis.

No patient gave these sections. A pathologist will recognise bowel and breast, but every nucleus is drawn by
rule, nothing here stands for any disease, and nothing may be learnt, trained or decided from it.

    catalogue   the demonstration slides, ready to be drawn
    aperio      a section as the file that a scanner would write
    glass       label and overview picture
    tissue      any rectangle of a section
    plan        the map of a section; colon and breast make one
    structures  glands and vessels as rows of stamps
    stamps      nuclei, cells and fibres
    stains      dyes to colours
    noise       chance that always falls the same way
    studio      several processes drawing one section
"""

from slides.drawing.aperio import write_aperio
from slides.drawing.catalogue import DEMO_SLIDES, DemoSlide, draw_demo_slide
from slides.drawing.glass import Label
from slides.drawing.tissue import Tissue

__all__ = ["DEMO_SLIDES", "DemoSlide", "Label", "Tissue", "draw_demo_slide", "write_aperio"]
