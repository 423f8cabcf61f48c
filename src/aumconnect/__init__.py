"""Carry a model's outputs into the systems a business runs on."""
