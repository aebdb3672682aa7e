"""Pages of the books, one module a subject."""
