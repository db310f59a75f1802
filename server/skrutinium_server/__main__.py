"""``python -m skrutinium_server``: the command line."""

from skrutinium_server.commands import main

if __name__ == "__main__":
    main()
