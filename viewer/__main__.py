"""`python -m viewer` is the command `samsyn`."""

from viewer.cli import main

if __name__ == "__main__":
    main()
