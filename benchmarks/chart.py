"""Draw what benchmarks/scale.py and benchmarks/soak.py measured.

    python benchmarks/chart.py scale FOLDER/scale.jsonl benchmarks/scale.png
    python benchmarks/chart.py soak SAMPLES.json benchmarks/soak.png

It needs matplotlib, which nothing else here does: pip install matplotlib.
"""

import argparse
import json
from pathlib import Path
from typing import Any

SHOWN = ("flat leg", "dense leg", "text", "hybrid", "filter of 3%", "filter of 97%", "one hit a file")


def draw_scale(source: Path, axes: Any) -> None:
    """Draw the processor time of searches over the number of chunks; of several runs of a size the last."""
    lines = map(json.loads, source.read_text().splitlines())
    results = sorted({line["chunks"]: line for line in lines}.values(), key=lambda line: line["chunks"])
    for name in SHOWN:
        axes.plot(
            [result["chunks"] for result in results],
            [result["p50"][name] for result in results],
            marker="o",
            linestyle="--" if "leg" in name else "-",
            label=name,
        )
    axes.set(xscale="log", yscale="log", xlabel="chunks", ylabel="processor ms, p50", title=results[-1]["date"])


def draw_soak(source: Path, axes: Any) -> None:
    """Draw what a server and its worker held, as a share of the most."""
    samples = json.loads(source.read_text())
    for name in ("descriptors", "threads", "memory_mb", "disk_mb"):
        most = max(sample[name] for sample in samples)
        axes.plot(
            [sample["second"] / 60 for sample in samples],
            [sample[name] / most for sample in samples],
            label=f"{name.replace('_mb', ', MB')}, at most {most:,}",
        )
    axes.set(xlabel="minutes", ylabel="share of the most", ylim=(0, 1.05))


def main() -> None:
    """Draw one chart."""
    import matplotlib.pyplot as plt  # type: ignore[import-not-found]

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("scale", "soak"))
    parser.add_argument("source", type=Path)
    parser.add_argument("image", type=Path)
    arguments = parser.parse_args()
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    {"scale": draw_scale, "soak": draw_soak}[arguments.what](arguments.source, axes)
    axes.legend(fontsize="small")
    axes.grid(visible=True, which="major", alpha=0.3)
    figure.savefig(arguments.image, dpi=110)


if __name__ == "__main__":
    main()
