"""``python -m benchmarks.ladder softmax|matmul``."""

import sys

from .climb import main

if __name__ == "__main__":
    sys.exit(main())
