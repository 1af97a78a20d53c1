"""Edits of anatomies: tumours moved, resized, composed anew, put in, added, taken out."""
