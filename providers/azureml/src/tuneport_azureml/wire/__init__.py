"""Requests and answers as Azure Machine Learning spells them. Pure: nothing here sends anything."""
