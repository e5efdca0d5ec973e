"""Other programs' files: reading them into a store, and writing them out of it."""
