# SPDX-License-Identifier: Apache-2.0
"""KLT: what the map shows where the camera is expected is tracked into the image."""

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from diff2i2p.camera import Camera, View
from diff2i2p.mapping.dense import DenseMap
from diff2i2p.matchers.base import MatchedPlace, StageTimer
from diff2i2p.pose.render_compare import compare
from diff2i2p.render import close_cracks

# metres; what is further off may be the next piece of a corridor that repeats itself, and is
# searched
LEASH = 0.25
# width, pixels, at which the turn is looked for, and the share of it that may be turned to either
# side
SMALL, MARGIN = 80, 0.25
EVERY = 4  # one point of the map in so many is drawn there


class KltMatcher:
    """The matcher of a tracked camera, asked before all others; wants colour or intensity."""

    def __init__(self, dense: DenseMap):
        self.dense = dense

    def match(self, view: View, prior: np.ndarray | None, timer: StageTimer) -> list[MatchedPlace]:
        """The map's corners at `prior` (4, 4), turned as the image is, that the image shows.

        Nothing without a prior, nor where they lead further away than LEASH.
        """
        if prior is None or not self.dense.has_intensity:
            return []
        with timer("klt"):
            comparison = compare(view, self.dense, self._turned(view, prior))
            pose = comparison.pose
        is_near = (
            pose is not None and np.linalg.norm(pose.T_map_camera[:3, 3] - prior[:3, 3]) < LEASH
        )
        return [MatchedPlace(comparison.map_tracks.found)] if is_near else []

    def _turned(self, view: View, prior: np.ndarray) -> np.ndarray:
        """`prior`, turned to where a wide and coarse view of the map is most like the image: most
        of a camera's motion is turning.
        """
        small = view.camera.resized(SMALL)
        aside, above = round(MARGIN * small.width), round(MARGIN * small.height)
        fx, fy, cx, cy = small.K
        wide = Camera(
            small.width + 2 * aside, small.height + 2 * above, (fx, fy, cx + aside, cy + above)
        )
        around = close_cracks(self.dense.render(wide, prior, every=EVERY))
        of_map = np.where(around.depth > 0, around.image, np.median(around.image)).astype(
            np.float32
        )
        of_image = cv2.resize(view.grey, (small.width, small.height), interpolation=cv2.INTER_AREA)
        ncc = cv2.matchTemplate(of_map, of_image.astype(np.float32), cv2.TM_CCOEFF_NORMED)
        v, u = np.unravel_index(ncc.argmax(), ncc.shape)
        ahead = np.array([(u - aside) / fx, (v - above) / fy, 1.0])
        axis = np.cross((0, 0, 1), ahead)
        turn = Rotation.from_rotvec(
            axis * np.arctan(np.linalg.norm(axis)) / max(np.linalg.norm(axis), 1e-9)
        )
        turned = prior.copy()
        turned[:3, :3] = prior[:3, :3] @ turn.as_matrix()
        return turned
