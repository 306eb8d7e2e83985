"""The rules of data checks, a file for each thing they look at; `known.py` lists them."""
