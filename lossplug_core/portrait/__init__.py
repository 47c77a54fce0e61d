"""A loss as one can look at it: what is said of it, as data, and its curves.

What the commands print and draw, and what the pages of a catalogue show.
"""
