"""TensorBoard: a run of scalars, and a text that says where the page is.

The event file is put together from TensorBoard's own messages, so that neither TensorFlow nor a server is needed.
"""

import html
import io
from pathlib import Path

from reportgen.deliver import file
from reportgen.tracking import Handed

LOGDIR = "logs"
"""Where Keras's own examples have it."""

_BEGINNING, _END = "events.out.tfevents.", ".reportgen"
_VERSION = "brain.Event:2"
"""What the first event of a file says, as TensorFlow writes it."""


def check(where: str | None) -> None:
    """Raise nothing: a folder that cannot be written shows when it is written."""


def log(handed: Handed, where: str | None) -> str:
    """Write the run into a folder of its own below the log directory `where`, and return that folder.

    It is called as the report's folder, and takes the place of what reportgen wrote there before.
    """
    folder = Path(where or LOGDIR) / handed.name
    written = folder / f"{_BEGINNING}{int(handed.about.made_at):010d}{_END}"
    file.write(written, _events(handed))
    for path in folder.glob(f"{_BEGINNING}*{_END}"):
        if path != written:
            path.unlink(missing_ok=True)
    return str(folder)


def _events(handed: Handed) -> bytes:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.types_pb2 import DT_STRING
    from tensorboard.plugins.text import metadata
    from tensorboard.summary.writer.record_writer import RecordWriter

    about = handed.about
    values = [Summary.Value(tag=name, simple_value=value) for name, value in about.figures.items()]
    said = TensorProto(dtype=DT_STRING, string_val=[_says(handed).encode()])
    kind = metadata.create_summary_metadata(display_name=None, description=None)
    values.append(Summary.Value(tag="reportgen/page", metadata=kind, tensor=said))
    content = io.BytesIO()
    writer = RecordWriter(content)
    for event in (
        Event(wall_time=about.made_at, file_version=_VERSION),
        Event(wall_time=about.made_at, step=about.step, summary=Summary(value=values)),
    ):
        writer.write(event.SerializeToString(deterministic=True))
    return content.getvalue()


def _says(handed: Handed) -> str:
    """Return the Markdown that TensorBoard shows. It follows links to pages alone, not to files."""
    about = handed.about
    lines = [f"**{html.escape(about.title)}**", f"Page: `{handed.place.absolute() / 'report.html'}`"]
    if handed.url:
        lines.append(f"Published: [{handed.url}]({handed.url})")
    lines += [f"{name}: `{value}`" for name, value in about.tags.items()]
    return "  \n".join(lines)
