"""`python -m tracer`: the command `ctrace`."""

import sys

from tracer.cli import main

sys.exit(main())
