"""Does the suite notice when a line is wrong? Plants single-line faults in ``src/gerund`` and runs the tests."""
