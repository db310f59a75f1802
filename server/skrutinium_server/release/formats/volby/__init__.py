"""The format ``volby``: Czech elections of councils and of the Senate in the shape that programs reading volby.cz already know.

Described in ``docs/formats-volby.md``; schemas in ``xsd/volby/1/``.
"""
