"""Ways to reach another tenant's rows, by theme."""
