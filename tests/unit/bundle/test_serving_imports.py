"""What serving opens a bundle with does not pull in what only a build needs."""

import subprocess
import sys
from pathlib import Path


def test_opening_a_bundle_does_not_import_pyarrow():
    code = "import sys, bundle.open, bundle.user_store, bundle.publish; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], check=False).returncode == 0
