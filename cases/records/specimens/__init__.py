"""What was taken from the patient and what became of it: specimens, tissue blocks (klossar) and glass slides."""

from cases.records.specimens.changing import change_material, enter_in_error, find_material
from cases.records.specimens.registering import (
    NewBlock,
    NewGlass,
    NewSpecimen,
    register_glass_slide,
    register_specimen,
    register_tissue_block,
)
from cases.records.specimens.specimen import GlassSlide, Laterality, Specimen, StainKind, TissueBlock, name_glass

__all__ = [
    "GlassSlide",
    "Laterality",
    "NewBlock",
    "NewGlass",
    "NewSpecimen",
    "Specimen",
    "StainKind",
    "TissueBlock",
    "change_material",
    "enter_in_error",
    "find_material",
    "name_glass",
    "register_glass_slide",
    "register_specimen",
    "register_tissue_block",
]
