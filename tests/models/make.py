#!/usr/bin/env python3
"""Makes the small networks beside it.

    venv/bin/pip install numpy onnx onnxruntime
    venv/bin/python tests/models/make.py tests/models
"""

import sys

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT


def write(name, nodes, image, outputs, constants, opset=13, answers=None):
    """A network that takes `image` (its dimensions) and gives `outputs` (names and dimensions). With `answers`, the
    dimensions of a picture, what onnxruntime makes of it is written into the file."""
    of = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        name,
        [of("image", FLOAT, image)],
        [of(output, FLOAT, dims) for output, dims in outputs.items()],
        [numpy_helper.from_array(values, constant) for constant, values in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], producer_name="tallycam")
    model.ir_version = 8
    if answers:
        picture = (np.arange(np.prod(answers)) * 31 % 256 / 256).astype(np.float32).reshape(answers)
        given = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"image": picture})
        numbers = np.concatenate([values.ravel() for values in given])
        helper.set_model_props(model, {"answer": " ".join(f"{number:.6g}" for number in numbers)})
    with open(f"{sys.argv[1]}/{name}.onnx", "wb") as file:
        file.write(model.SerializeToString(deterministic=True))


def save(name, values, height=32, width=32):
    """A network that looks at pictures of so many rows and pixels in each, and gives `values` whatever it is shown."""
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "values"], ["out"]),
    ]
    constants = {"values": values, "zero": np.zeros(1, np.float32)}
    write(name, nodes, [1, 3, height, width], {"out": list(values.shape)}, constants)


# As YOLOv8 with one class: one box in the middle, a quarter as wide as the picture and half as high.
one = np.zeros((1, 5, 21), np.float32)
one[0, :, 3] = [16, 16, 8, 16, 0.9]
save("one_person", one)
# The same for pictures of any size.
save("open_size", one, "height", "width")
# The same, with NaN in place of every number.
save("no_numbers", np.full((1, 5, 21), np.nan, np.float32))
# Boxes whose score is NaN.
unsure = one.copy()
unsure[0, 4, :] = np.nan
save("no_scores", unsure)
# As YOLOv8 with seven classes, which is no known list.
seven = np.zeros((1, 11, 21), np.float32)
seven[0, :, 3] = [16, 16, 8, 16, 0, 0, 0, 0, 0, 0, 0.9]
save("seven_classes", seven)
# A classifier.
save("no_detector", np.zeros((1, 10), np.float32))

# The colours as three maps of one channel, sampled between pixels, at the rim and outside.
places = np.random.default_rng(1).uniform(-1.3, 1.3, (3, 2, 4, 2)).astype(np.float32)
node = helper.make_node
write(
    "grid_sample",
    [
        node("Reshape", ["image", "maps"], ["map"]),
        node("GridSample", ["map", "places"], ["edges"], mode="bilinear", padding_mode="zeros", align_corners=0),
        node("GridSample", ["map", "places"], ["middles"], mode="bilinear", padding_mode="zeros", align_corners=1),
    ],
    [1, 3, 5, 6],
    {"edges": [3, 1, 2, 4], "middles": [3, 1, 2, 4]},
    {"maps": np.array([3, 1, 5, 6], np.int64), "places": places},
    opset=16,
    answers=[1, 3, 5, 6],
)
# A mean of each colour; the size of the picture is left open.
write(
    "open_channels",
    [node("ReduceMean", ["image"], ["out"], axes=[2, 3], keepdims=0)],
    ["batch", "colours", "height", "width"],
    {"out": ["batch", "colours"]},
    {},
    answers=[1, 3, 4, 6],
)
# The middle of each column, computed from the picture's shape, beside a mean.
write(
    "counted_sizes",
    [
        node("Shape", ["image"], ["shape"]),
        node("Gather", ["shape", "three"], ["width"], axis=0),
        node("Range", ["nought", "width", "one"], ["columns"]),
        node("Cast", ["columns"], ["numbers"], to=FLOAT),
        node("Add", ["numbers", "half"], ["middles"]),
        node("ReduceMean", ["image"], ["means"], axes=[1, 2], keepdims=0),
        node("Add", ["means", "middles"], ["out"]),
    ],
    [1, 3, "height", "width"],
    {"out": [1, "width"]},
    {
        "three": np.array(3, np.int64),
        "nought": np.array(0, np.int64),
        "one": np.array(1, np.int64),
        "half": np.array(0.5, np.float32),
    },
    answers=[1, 3, 4, 6],
)
# Padding on two sides, with an omitted value.
write(
    "absent_input",
    [node("Pad", ["image", "rim", ""], ["wide"], mode="constant"), node("Relu", ["wide"], ["out"])],
    [1, 3, 2, 2],
    {"out": [1, 3, 3, 3]},
    {"rim": np.array([0, 0, 0, 0, 0, 0, 1, 1], np.int64)},
    answers=[1, 3, 2, 2],
)
