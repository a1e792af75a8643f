# SPDX-License-Identifier: Apache-2.0
"""Which part of the map the image shows: its patches vote for map nodes, dense votes make candidate views."""

import torch

from diff2i2p.config import RetrievalConfig

VOTES_PER_PATCH = 4
REACH = 3.0  # metres around a node in which votes support each other


def retrieve(patches: torch.Tensor, nodes: torch.Tensor, node_points: torch.Tensor, config: RetrievalConfig) -> list[torch.Tensor]:
    """Node indices of each candidate view, most voted first; a small map is one candidate.

    patches (P, C), nodes (M, C): unit vectors before fusion; node_points (M, 3) metres.
    """
    if len(nodes) <= config.nodes:
        return [torch.arange(len(nodes), device=nodes.device)]
    similarity, voted = (patches @ nodes.T).topk(VOTES_PER_PATCH, 1)
    votes = torch.zeros(len(nodes), device=nodes.device)
    votes.index_add_(0, voted.flatten(), torch.softmax(10 * similarity, 1).flatten())
    candidates = []
    for _ in range(config.candidates):
        heard = votes.nonzero()[:, 0]
        if not len(heard):
            break
        support = (torch.cdist(node_points[heard], node_points[heard]) < REACH).float() @ votes[heard]
        centre = node_points[heard[support.argmax()]]
        chosen = (node_points - centre).norm(dim=1).topk(config.nodes, largest=False).indices
        candidates.append(chosen)
        votes[chosen] = 0
    return candidates
