"""The guard: the compiler that puts the tenant predicate into every statement."""
