"""The public folder: a run as plain files and pages for any web host (requirement M2, design section 8).

It shares nothing with the feed but the release store.
"""
