"""In what two runs differ, where their trainings part, and why."""
