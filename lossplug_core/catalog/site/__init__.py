"""The page of a catalogue: a static site of the losses that are installed and allowed.

It opens from a folder, without a server or a network.
"""
