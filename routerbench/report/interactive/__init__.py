"""The pictures of the HTML report that answer to the mouse, one file for each kind."""
