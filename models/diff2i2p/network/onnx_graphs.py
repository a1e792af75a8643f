# SPDX-License-Identifier: Apache-2.0
"""ONNX graphs of fixed shapes, of operators that TensorRT 10 supports: written, kept, run."""

import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from diff2i2p.config import Config
from diff2i2p.files import cache_folder
from diff2i2p.parameters import ConfigError

OPSET = 17
VERSION = 3  # of the graphs: a cached one of another version is not used
NO_MATCH = -2.0  # below every cosine


@torch.inference_mode(False)  # the tracer fails on tensors made for inference alone
@torch.no_grad()
def write_graph(
    module: nn.Module, inputs: dict[str, torch.Tensor], outputs: tuple[str, ...], path: Path
) -> None:
    """Trace, fold what the shapes make constant, and write atomically."""
    import onnx
    import onnxruntime

    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder, warnings.catch_warnings():
        # the tracer warns of every size that it takes for a constant, which is what we want
        warnings.simplefilter("ignore")
        traced, folded = Path(folder) / "traced.onnx", Path(folder) / "folded.onnx"
        torch.onnx.export(
            module,
            tuple(inputs.values()),
            str(traced),
            input_names=list(inputs),
            output_names=list(outputs),
            opset_version=OPSET,
            dynamo=False,
        )
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(folded)
        onnxruntime.InferenceSession(str(traced), options, providers=["CPUExecutionProvider"])
        onnx.save(_renamed(onnx.load(folded), {*inputs, *outputs}), folded)
        os.replace(folded, path)


def _renamed(model, kept: set[str]):
    """Short names of its own for all that is inside: onnxruntime trips over names that its own
    folding gave.
    """
    graph = model.graph
    inner = [tensor.name for tensor in graph.initializer]
    inner += [name for node in graph.node for name in node.output]
    names = {name: f"v{i}" for i, name in enumerate(inner) if name and name not in kept}
    for tensor in graph.initializer:
        tensor.name = names.get(tensor.name, tensor.name)
    for i, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{i}"
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    del graph.value_info[:]
    return model


def kept_session(part: str, made_of: dict, export: Callable[[Path], None], config: Config):
    """A session of the graph kept in the cache folder for what it is made of (plain values).

    A missing or damaged one is made again by `export`. Raises ConfigError without onnxruntime.
    """
    made_of = json.dumps({"graphs": VERSION} | made_of, sort_keys=True)
    name = hashlib.sha256(made_of.encode()).hexdigest()[:24]
    path = cache_folder() / "onnx" / f"{name}.{part}.onnx"
    if path.is_file():
        try:
            return open_session(path, config)
        except Exception:  # onnxruntime has a dozen kinds for a damaged file
            path.unlink()
    export(path)
    return open_session(path, config)


def run(session, **inputs: torch.Tensor) -> list[torch.Tensor]:
    """The outputs of a session, where its inputs are."""
    device = next(iter(inputs.values())).device
    arrays = {name: tensor.cpu().numpy() for name, tensor in inputs.items()}
    return [torch.from_numpy(array).to(device) for array in session.run(None, arrays)]


def open_session(path: Path, config: Config):
    """An onnxruntime session: TensorRT, else CUDA, else CPU, whichever is there and `device`
    allows.
    """
    onnxruntime = require_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    # waiting threads leave the cores to the robot
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    wanted = providers(config, path.parent, onnxruntime.get_available_providers())
    return onnxruntime.InferenceSession(str(path), options, providers=wanted)


def providers(config: Config, folder: Path, available: list[str]) -> list:
    """Execution providers in order of preference, with TensorRT's engines kept in `folder`."""
    engines = {
        "trt_engine_cache_enable": True,
        "trt_engine_cache_path": str(folder),
        "trt_fp16_enable": config.half_precision,
    }
    wanted = [
        ("TensorrtExecutionProvider", engines),
        ("CUDAExecutionProvider", {}),
        ("CPUExecutionProvider", {}),
    ]
    return [
        entry
        for entry in wanted
        if entry[0] in available and (config.device != "cpu" or entry[0].startswith("CPU"))
    ]


def require_onnxruntime():
    """The module onnxruntime. Raises ConfigError where it is not installed."""
    try:
        import onnx  # noqa: F401 # the exporter of torch needs it
        import onnxruntime
    except ImportError as error:
        raise ConfigError(
            "runtime onnxruntime needs two more packages: pip install onnx onnxruntime,"
            " or onnxruntime-gpu"
        ) from error
    return onnxruntime
