"""Rewrites the first migration of both stores from the tables in the code. Only before the first release."""

import subprocess
import sys
import tempfile
from pathlib import Path

from glue.db import Database
from glue.ops import schema


def main() -> None:
    for meter in (False, True):
        versions = schema.SCRIPTS / ("meter" if meter else "main") / "versions"
        for script in versions.glob("*.py"):
            script.unlink()
        with tempfile.TemporaryDirectory() as folder:
            database = Database(f"sqlite:///{Path(folder) / 'glue.db'}", meter=meter)
            schema.write_revision(database, "first tables", meter=meter)
            database.close()
        subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", str(versions)], check=True)  # noqa: S603
        print(*sorted(versions.glob("*.py")), sep="\n")


if __name__ == "__main__":
    main()
