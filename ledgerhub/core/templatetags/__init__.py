"""Template tags: what pages use to show money, dates, states, forms, tables and charts."""
