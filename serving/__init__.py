"""Answers requests: schemas, service, champions. Computes no statistics of its own."""
