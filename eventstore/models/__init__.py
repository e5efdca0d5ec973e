"""The types of a session, as a3s-code writes them; `eventstore.models.a3s` lists them all."""
