"""Tables of runs: several seeds of one composition, or many cells of a study."""
