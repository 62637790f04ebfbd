"""What is behind a decision: the tree of rules, steps and facts that led to it, read from the audit."""
