"""The command line as ``python -m gerund``."""

from gerund.cli import main

if __name__ == "__main__":
    main()
