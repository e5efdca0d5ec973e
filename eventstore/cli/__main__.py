"""Let `python -m eventstore.cli` be the command `eventstore`."""

from eventstore.cli.main import main

if __name__ == "__main__":
    main()
