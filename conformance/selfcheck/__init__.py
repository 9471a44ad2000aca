"""The suite measured: mutants, witnesses, the zoo, and the tester's own behaviour."""
