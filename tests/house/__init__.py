"""The house's rules as tests: a rule that nothing checks is a wish.

Every check is a function from a tree of files to a list of violations, so that the same function that passes on this
repository is also shown a small tree with the fault in it and must find it. A check that visited nothing fails.
"""
