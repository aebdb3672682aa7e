"""One file a simulated system; each exposes `system`, and the file name is the registration."""
