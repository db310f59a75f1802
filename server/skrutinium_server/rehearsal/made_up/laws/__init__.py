"""One module a law, named like its file in ``election/laws``: how elections by it are made up, as ``GENERATOR``."""
