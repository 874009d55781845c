"""How a model is fitted and judged, and the univariate scan. Knows no file format but its own bundle."""
