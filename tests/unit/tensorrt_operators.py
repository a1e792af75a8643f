# SPDX-License-Identifier: Apache-2.0
"""What TensorRT asks of an ONNX graph."""

from pathlib import Path

import onnx

# What we use of the operators that TensorRT 10 imports (its support matrix names them all without a
# restriction that touches us).
OPERATORS = {
    "Add", "And", "ArgMax", "AveragePool", "Cast", "Clip", "Concat", "Constant", "Conv", "Cos",
    "Div", "Equal", "Expand", "Flatten", "Gather", "GatherElements", "Gemm", "Greater",
    "GreaterOrEqual", "InstanceNormalization", "LayerNormalization", "LeakyRelu", "MatMul", "Mul",
    "Pad", "Pow", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceSum", "Relu", "Reshape", "Resize",
    "Sigmoid", "Sin", "Slice", "Softmax", "Split", "Sqrt", "Squeeze", "Sub", "TopK", "Transpose",
    "Unsqueeze", "Where",
}  # fmt: skip


def assert_ready_for_tensorrt(path: Path) -> None:
    """A valid graph of known operators and fixed shapes."""
    model = onnx.load(path)
    onnx.checker.check_model(model)
    assert all(not node.domain for node in model.graph.node)
    assert {node.op_type for node in model.graph.node} <= OPERATORS
    ends = [*model.graph.input, *model.graph.output]
    assert all(size.dim_value > 0 for end in ends for size in end.type.tensor_type.shape.dim)
