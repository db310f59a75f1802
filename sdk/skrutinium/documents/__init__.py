"""What there is to read, one frozen dataclass each, and the strict readers that make them from XML."""
