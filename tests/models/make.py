#!/usr/bin/env python3
"""Makes the small networks beside it: each gives the same numbers whatever it is shown.

    venv/bin/pip install numpy onnx
    venv/bin/python tests/models/make.py tests/models
"""

import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper


def save(name, values, height=32, width=32):
    """A network that looks at pictures of so many rows and pixels in each, and gives `values`."""
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "values"], ["out"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, height, width])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, list(values.shape))
    constants = [numpy_helper.from_array(values, "values"), numpy_helper.from_array(np.zeros(1, np.float32), "zero")]
    graph = helper.make_graph(nodes, name, [image], [out], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="tallycam")
    model.ir_version = 8
    with open(f"{sys.argv[1]}/{name}.onnx", "wb") as file:
        file.write(model.SerializeToString(deterministic=True))


# As YOLOv8 with one class: one box in the middle, a quarter as wide as the picture and half as high.
one = np.zeros((1, 5, 21), np.float32)
one[0, :, 3] = [16, 16, 8, 16, 0.9]
save("one_person", one)
# The same for pictures of whatever size.
save("open_size", one, "height", "width")
# The same, and no number in it.
save("no_numbers", np.full((1, 5, 21), np.nan, np.float32))
# Boxes, and no number that says how sure it is of them.
unsure = one.copy()
unsure[0, 4, :] = np.nan
save("no_scores", unsure)
# As YOLOv8 with seven classes, which is no list that anybody knows.
seven = np.zeros((1, 11, 21), np.float32)
seven[0, :, 3] = [16, 16, 8, 16, 0, 0, 0, 0, 0, 0, 0.9]
save("seven_classes", seven)
# A classifier.
save("no_detector", np.zeros((1, 10), np.float32))
