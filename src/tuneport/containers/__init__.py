"""How files hold rows: one file for each way, listed in `known.py`."""
