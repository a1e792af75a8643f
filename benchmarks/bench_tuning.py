# SPDX-License-Identifier: Apache-2.0
"""What Deformable Correspondence Tuning is worth on real images: the kitchen's queries with the learned offsets and without them.

The network alone, on the weights and maps that bench_real.py leaves.
"""

from dataclasses import replace

from publish import OUT, ROOT, SHARED, looks, median, percent, publish

from diff2i2p.config import Config
from diff2i2p.datasets.sequences import read_sequence
from diff2i2p.evaluation.metrics import summarize
from diff2i2p.evaluation.run import localize_all
from diff2i2p.localization.localizer import Localizer
from diff2i2p.parameters import override

COMMAND = "python benchmarks/bench_tuning.py"
QUERIES, EVERY = (530, 700), 5
HEADER = ["map", "tuning", "frames", "2cm/2deg", "5cm/5deg", "median", "inlier ratio"]


def main():
    weights, rows = str(ROOT / "out" / "sites" / "kitchen.safetensors"), []
    sequence = read_sequence(SHARED / "kitchen", *QUERIES)
    sequence = replace(sequence, frames=sequence.frames[::EVERY])
    for name in ("kitchen", "kitchen-bare"):
        localizer = Localizer.open(OUT / f"{name}.i2pmap", weights, override(Config(), {"matcher": "network"}))
        network = localizer.matchers[0].network
        for tuning in (True, False):
            network.config = override(network.config, {"network": {"tuning": tuning}})
            records = localize_all(localizer, sequence)
            m = summarize(records, "network", localizer.map.grey is not None, weights, name)
            sharp = sum(record.within(0.02, 2.0) for record in records) / len(records)
            shown = percent(sharp), percent(m["recall"]["5cm_5deg"]), median(m), m["inlier_ratio"]
            rows.append([looks(m), "yes" if tuning else "no", m["frames"], *shown])
            print(*rows[-1], flush=True)
    publish("tuning", COMMAND, HEADER, rows)


if __name__ == "__main__":
    main()
