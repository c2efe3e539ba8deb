"""`python -m headreuse` is the command `headreuse`."""

from headreuse.cli import main

if __name__ == "__main__":
    main()
