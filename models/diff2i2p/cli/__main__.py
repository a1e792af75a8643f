# SPDX-License-Identifier: Apache-2.0
"""`python -m diff2i2p.cli`."""

from diff2i2p.cli import main

if __name__ == "__main__":
    main()
