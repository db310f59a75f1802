"""Examining how a newsroom reaches a feed: what is wrong on the way, and what to do about it."""
