# SPDX-License-Identifier: Apache-2.0
"""Which part of the map the image shows: its patches vote for map nodes, dense votes make candidate views."""

import numpy as np
import torch
from scipy.spatial import cKDTree

from diff2i2p.config import RetrievalConfig

VOTES_PER_PATCH = 4
REACH = 3.0  # metres around a node in which votes support each other
EXACT = 8192  # nodes up to which every one is compared with every patch
LISTS_PROBED = 8  # of alike nodes, per patch
ROUNDS, PER_LIST = 6, 64  # of k-means, and nodes sampled for each list


class NodeIndex:
    """Map nodes by what they look like and by where they are.

    A large map's nodes are kept in lists of alike ones, about as many lists as each is long, and a patch looks into the
    lists nearest to it (inverted file: Jegou et al., PAMI 2011). Memory grows with the map, search with its square root.
    """

    def __init__(self, nodes: torch.Tensor, node_points: torch.Tensor):
        """nodes (M, C): unit vectors before fusion; node_points (M, 3) metres."""
        self.nodes, self.places = nodes, cKDTree(node_points.cpu().numpy())
        self.lists = None if len(nodes) <= EXACT else _Lists(nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    def alike(self, patches: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Similarity and index (P, VOTES_PER_PATCH) of the nodes most like each of `patches` (P, C), unit vectors."""
        return (
            (patches @ self.nodes.T).topk(VOTES_PER_PATCH, 1)
            if self.lists is None
            else self.lists.search(patches)
        )

    def around(self, place: np.ndarray, count: int) -> torch.Tensor:
        """(count,) indices of the nodes nearest to `place` (3,), nearest first."""
        return torch.from_numpy(
            np.atleast_1d(self.places.query(place, min(count, len(self)))[1])
        ).to(self.nodes.device)


class _Lists:
    """Unit vectors sorted into lists around the centres that k-means finds."""

    def __init__(self, vectors: torch.Tensor):
        count = int(len(vectors) ** 0.5)
        sample = vectors[:: max(1, len(vectors) // (PER_LIST * count))]
        centres = sample[:: len(sample) // count][:count]
        for _ in range(ROUNDS):
            sums = torch.zeros_like(centres).index_add_(0, _nearest(sample, centres), sample)
            centres = torch.where(
                sums.norm(dim=1, keepdim=True) > 0,
                torch.nn.functional.normalize(sums, dim=1),
                centres,
            )
        owner = _nearest(vectors, centres)
        self.centres, self.order = centres, torch.argsort(owner, stable=True)
        self.vectors = vectors[self.order]
        self.starts = torch.searchsorted(
            owner[self.order], torch.arange(count + 1, device=owner.device)
        ).tolist()

    def search(self, queries: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Similarity and index (P, VOTES_PER_PATCH) of the vectors most like `queries` (P, C) in the lists nearest to them."""
        probed = (queries @ self.centres.T).topk(LISTS_PROBED, 1).indices.flatten()
        similarity = queries.new_full((len(probed), VOTES_PER_PATCH), -2.0)
        found = torch.zeros_like(similarity, dtype=torch.int64)
        by_list = torch.argsort(probed, stable=True)
        visited, counts = torch.unique_consecutive(probed[by_list], return_counts=True)
        for chosen, rows in zip(visited.tolist(), by_list.split(counts.tolist()), strict=True):
            start, end = self.starts[chosen], self.starts[chosen + 1]
            best = (queries[rows // LISTS_PROBED] @ self.vectors[start:end].T).topk(
                min(VOTES_PER_PATCH, end - start), 1
            )
            similarity[rows, : best.values.shape[1]] = best.values
            found[rows, : best.values.shape[1]] = self.order[start + best.indices]
        best = similarity.view(len(queries), -1).topk(VOTES_PER_PATCH, 1)
        return best.values, found.view(len(queries), -1).gather(1, best.indices)


def retrieve(patches: torch.Tensor, index: NodeIndex, config: RetrievalConfig) -> torch.Tensor:
    """Node indices (K, M) of each candidate view, most voted first; a small map is one candidate.

    patches (P, C): unit vectors before fusion.
    """
    if len(index) <= config.nodes:
        return torch.arange(len(index), device=index.nodes.device)[None]
    similarity, voted = index.alike(patches)
    heard, member = torch.unique(voted.flatten(), return_inverse=True)
    votes = torch.zeros(len(heard), device=patches.device).index_add_(
        0, member, torch.softmax(10 * similarity, 1).flatten()
    )
    votes, heard = votes.cpu().numpy(), heard.cpu().numpy()
    places = index.places.data[heard]
    pairs = cKDTree(places).query_pairs(REACH, output_type="ndarray")
    candidates = []
    while len(candidates) < config.candidates and votes.any():
        support = votes + sum(
            np.bincount(pairs[:, a], votes[pairs[:, b]], len(votes)) for a, b in ((0, 1), (1, 0))
        )
        centre = np.where(votes > 0, support, 0).argmax()
        candidates.append(index.around(places[centre], config.nodes))
        votes[np.isin(heard, candidates[-1].cpu().numpy())] = 0
    return torch.stack(candidates)


def _nearest(vectors: torch.Tensor, centres: torch.Tensor) -> torch.Tensor:
    """(N,) index of the centre most like each of `vectors` (N, C)."""
    return torch.cat([(part @ centres.T).argmax(1) for part in vectors.split(EXACT)])
