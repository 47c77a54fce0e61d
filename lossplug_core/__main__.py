"""`python -m lossplug_core` is `lossplug`."""

from lossplug_core.cli import main

if __name__ == "__main__":
    main()
