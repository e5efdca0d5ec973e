"""Media that hold logs; `registry.open_backend` finds one by the scheme of a URL."""
