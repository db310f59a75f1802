"""Readers and writers of definitions: one module a format, pure over bytes."""
