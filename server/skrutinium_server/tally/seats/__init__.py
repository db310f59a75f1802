"""From the votes of lists to seats and elected persons, exactly and without ever guessing a lot."""
