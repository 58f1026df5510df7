"""Deep-zoom pyramids: which tile?

`grid` is the arithmetic, `layout` decides which levels are copied and which computed, `building` makes one
pyramid file from one slide, `pyramid` says which bytes of it are a tile, `live` gives the same tiles from
the slide itself while there is no pyramid yet.
"""
