"""Telling how far things are: what may be asked, which model looks, and what is given back."""
