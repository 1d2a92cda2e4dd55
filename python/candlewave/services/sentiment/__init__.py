"""News: sources, which assets an article is about, and how good or bad it is for them."""
