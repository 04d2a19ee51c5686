"""The programs behind the entry points, as functions of objects that a notebook can call too."""
