"""The opener of reportgen.files under the name that the readers of data know it by."""

from reportgen.files import content, opened, shown

__all__ = ["content", "opened", "shown"]
