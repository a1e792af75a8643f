# SPDX-License-Identifier: Apache-2.0
"""What came of a frame, in a sentence."""

from diff2i2p.evaluation.metrics import Record, frame_row


def reason(record: Record) -> str:
    """What came of a frame and why, in a sentence."""
    row, answer = frame_row(record), record.answer
    found = (
        f"{row['inliers']} of {row['matches']} matches are inliers"
        if answer.ok
        else f"{row['matches']} matches"
    )
    right = [f"{record.inlier_ratio:.0%} are right by the truth"] if record.judged else []
    facts = ", ".join(
        [answer.matcher or "no matcher", found, *right, f"confidence {answer.confidence:.2f}"]
    )
    off = (
        f"{100 * record.translation_m:.1f} cm, {record.rotation_deg:.2f}° off"
        if record.judged
        else "answered, truth unknown"
    )
    result = off if answer.ok else f"no answer: {record.problem or answer.status.value}"
    return f"{record.frame.name}: {result} ({facts})"
