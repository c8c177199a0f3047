"""Rules for what a column of a table means, kind by kind: each gives a `Guess`, a reason against it, or nothing."""
