"""The only room that asks Azure anything."""
