"""What a Dask worker loads first, so that it is as slow as one with a larger model: it waits for each image.

Waiting needs no core, so one machine can play many.
"""

import os
import time
from typing import Any

from reportgen.engines import worker

SECONDS = "REPORTGEN_BENCH_SECONDS_AN_IMAGE"


def dask_setup(process: object) -> None:
    """Replace what sends a shard through the model by the same and a wait; Dask calls this as a worker starts."""
    send = worker.send

    def delayed(job: Any, work: Any, shard: Any, images: Any, labels: Any) -> Any:
        time.sleep(len(shard) * float(os.environ[SECONDS]))
        return send(job, work, shard, images, labels)

    worker.send = delayed
