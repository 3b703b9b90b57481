"""`python scripts/write_digests.py MODEL...` writes what seeds 0 to 9 of models come to here, as `export` does."""

import sys

from cantilena.digests import write

for model in sys.argv[1:]:
    write(model)
