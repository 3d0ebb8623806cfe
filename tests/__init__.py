"""The tests, in folders as the packages are; `product` has those of the whole."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
