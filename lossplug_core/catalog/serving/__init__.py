"""The site as it is made, on this machine only: built again when what it shows changes."""
