"""Benchmarks that compare what the product reaches, and how fast, in one run each."""
