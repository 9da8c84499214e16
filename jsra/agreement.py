"""Whether all processes of a run under MPI were given the same: otherwise they wait for one another without end, or train
on something that no config describes."""

from __future__ import annotations

import json
import zlib

from jsra.defaults import differences
from jsra.registry import ConfigError
from jsra.runtime.distributed import gather, on_main, world_size


def check_agreement(what: str, value):
    """ConfigError in every process if value(), a dictionary, is not the same in all; what: its name in the message. Every
    process must call this."""
    if world_size() == 1:
        return
    texts = gather(json.dumps(value(), default=str))
    on_main(lambda: compare(what, texts))


def compare(what, texts):
    """ConfigError for the first of these JSON texts, one of each process, that is not that of process 0."""
    for rank, text in enumerate(texts):
        if text != texts[0]:
            first, other = json.loads(texts[0]), json.loads(text)
            found = differences(first, other, f"{{}} is {{}} in process 0, in process {rank} {{}}")
            raise ConfigError(f"the processes have different {what}: {found}; give all the same command, config and data")


def summary(dataset) -> dict:
    """What of a data set must be the same in all processes: the number of its images, and a checksum of its annotations."""
    checksum = 0
    for record in dataset.records:
        for part in (repr(record.img_id).encode(), record.boxes.tobytes(), record.labels.tobytes()):
            checksum = zlib.crc32(part, checksum)
    return {"images": len(dataset.records), "checksum of the annotations": checksum}
