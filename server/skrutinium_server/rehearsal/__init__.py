"""Rehearsal: nights that are replayed or made up, through the same door as a real one."""
