# SPDX-License-Identifier: Apache-2.0
"""The figures of metrics.json for people: what they are called, how they are written, which way is better."""

from dataclasses import dataclass

RIGHT = (0.25, 5.0)  # metres, degrees; defined: what confidence promises
FALSE_ACCEPT = (0.5, 10.0)  # metres, degrees; defined: a published pose beyond either is false


@dataclass(frozen=True)
class Figure:
    """One number of metrics.json."""

    key: str  # its path there, dotted
    name: str
    form: str = "{}"
    better: str = "lower"  # or "higher"
    kind: str = (
        "count"  # share, count, error, seconds, latency or memory: which tolerance compares it
    )

    def value(self, summary: dict):
        """The number, or None where a run has none."""
        for part in self.key.split("."):
            summary = (summary or {}).get(part)
        return summary

    def text(self, summary: dict) -> str:
        return self.written(self.value(summary))

    def written(self, value) -> str:
        return "–" if value is None else self.form.format(value)


SHARE, CM, DEG = "{:.1%}", "{:.3f} m", "{:.2f}°"
FIGURES = (
    Figure("availability.share", "frames answered", SHARE, "higher", "share"),
    Figure("recall.rmse_10cm", "recall rmse 10cm", SHARE, "higher", "share"),
    Figure("recall.5cm_5deg", "recall 5cm 5deg", SHARE, "higher", "share"),
    Figure("recall.25cm_2deg", "recall 25cm 2deg", SHARE, "higher", "share"),
    Figure("recall.25cm_5deg", "recall 25cm 5deg", SHARE, "higher", "share"),
    Figure("recall.50cm_5deg", "recall 50cm 5deg", SHARE, "higher", "share"),
    Figure("false_accepts", "false poses"),
    Figure("median_translation_m", "median translation", CM, kind="error"),
    Figure("median_rotation_deg", "median rotation", DEG, kind="error"),
    Figure("trajectory.ape_m.rmse", "APE rmse", CM, kind="error"),
    Figure("trajectory.ape_deg.rmse", "APE rmse, rotation", DEG, kind="error"),
    Figure("trajectory.rpe_m.rmse", "RPE rmse, frame to frame", CM, kind="error"),
    Figure("trajectory.rpe_deg.rmse", "RPE rmse, rotation", DEG, kind="error"),
    Figure("inlier_ratio", "inlier ratio", SHARE, "higher", "share"),
    Figure("feature_matching_recall", "feature matching recall", SHARE, "higher", "share"),
    Figure("availability.first_fix_s", "time to the first pose", "{:.2f} s", kind="seconds"),
    Figure("availability.longest_gap_s", "longest time without", "{:.2f} s", kind="seconds"),
    Figure("unusable_images", "unusable images"),
    Figure("latency_ms.p50", "latency p50", "{:.0f} ms", kind="latency"),
    Figure("latency_ms.p95", "latency p95", "{:.0f} ms", kind="latency"),
    Figure("peak_rss_mb", "peak memory", "{:.0f} MB", kind="memory"),
)
