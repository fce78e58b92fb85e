"""Whether models fit: what they are made of, against what is free; what was estimated beside what was measured."""
