"""What numbers mean: rank statistics, counts and rates with exact intervals, multiplicity, epsilon bounds."""
