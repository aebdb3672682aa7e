"""A small business whose truth is known, answering as its shop, its payment processor and its bank."""
