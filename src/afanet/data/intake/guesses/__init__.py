"""What a column of a table may mean, kind by kind: each rule gives a `Guess`, a reason against it, or nothing."""
