"""The format ``volby``: Czech municipal elections in the shape that programs reading volby.cz already know.

Described in ``docs/formats-volby.md``; schemas in ``xsd/volby/1/``.
"""
