"""`buf-plugin-gladhand`: the rules of a contract inside `buf lint` and `buf breaking`."""
