"""Memory: an index of the journal, searched by words and by vectors. Knows neither models nor
routing."""
