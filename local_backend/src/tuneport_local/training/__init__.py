"""One training, from its folder to what it leaves."""
