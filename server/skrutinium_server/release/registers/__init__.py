"""What there is to read before an election, made from a definition: registers, codebooks, calendar. Pure writers."""
