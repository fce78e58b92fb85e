"""`python -m venom_tui` is `venom-tui`."""

from __future__ import annotations

import sys

from venom_tui.cli.main import main

sys.exit(main())
