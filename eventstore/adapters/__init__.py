"""Stores of other programs, with their own methods, served by this one."""
