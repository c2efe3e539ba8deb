"""The command `headreuse`, run in this process: as a user's, and without starting Python and its libraries again."""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from unittest.mock import patch

from headreuse.cli import main


def headreuse(*arguments: object) -> tuple[int, str, str]:
    """Exit status, output and errors; what nothing in the package catches is raised."""
    out, err = io.StringIO(), io.StringIO()
    with patch.object(sys, "argv", ["headreuse", *map(str, arguments)]), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as ended:
            status = ended.code or 0
        else:
            status = 0
    return int(status), out.getvalue(), err.getvalue()
