"""The weights that a training changes, kind by kind."""
