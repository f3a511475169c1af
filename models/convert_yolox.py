#!/usr/bin/env python3
"""Makes the built-in model, yolox_nano_320.onnx, of YOLOX-Nano's export at 416 x 416.

    python3 models/convert_yolox.py yolox_nano.onnx models/yolox_nano_320.onnx

Needs numpy and onnx; the same input gives the same bytes each time. models/README.md names the input.
The weights stay the same. The changes:

- 19 of COCO's 80 classes remain, those that move by themselves and so cross lines. The rows of the other classes leave
  the last convolutions, so a detection computes less.
- Weights are stored as 16-bit floats, and cast back: half the file. Biases stay 32-bit floats.
- The three outputs are reshaped to rows of any count, and sizes noted for 416 x 416 are dropped. So the network takes
  every input whose sides are multiples of 32, its largest stride; the file says 320 x 320.
"""

import argparse

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# Indices among COCO's 80 classes: person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, and ten
# animals.
MOVING = [0, 1, 2, 3, 4, 5, 6, 7, 8, *range(14, 24)]
CLASSES = 80
SIZE = 320


def convert(model):
    graph = model.graph
    casts, initializers = [], []
    shapes = {i for node in graph.node if node.op_type == "Reshape" for i in node.input[1:]}
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.name.startswith("head.cls_preds."):
            assert values.shape[0] == CLASSES, tensor.name
            values = np.ascontiguousarray(values[MOVING])
        if tensor.name in shapes:
            # Batch, 5 + classes, cells: each output keeps the batch, and its cells follow from the input's size.
            assert list(values[:2]) == [1, 5 + CLASSES], values
            values = np.array([1, 5 + len(MOVING), -1], np.int64)
        if values.dtype == np.float32 and values.ndim > 1:
            half = values.astype(np.float16)
            assert np.isfinite(half).all(), tensor.name
            initializers.append(numpy_helper.from_array(half, tensor.name + "/f16"))
            casts.append(helper.make_node("Cast", [tensor.name + "/f16"], [tensor.name], to=TensorProto.FLOAT))
        else:
            initializers.append(numpy_helper.from_array(values, tensor.name))
    image = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIZE, SIZE])
    cells = sum((SIZE // stride) ** 2 for stride in (8, 16, 32))
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, cells, 5 + len(MOVING)])
    made = helper.make_graph([*casts, *graph.node], "yolox_nano", [image], [output], initializers)
    made = helper.make_model(made, opset_imports=model.opset_import, producer_name="tallycam")
    made.ir_version = model.ir_version
    helper.set_model_props(made, {"licence": "Apache-2.0", "origin": "Megvii YOLOX, exported by Kazuhito Takahashi"})
    onnx.checker.check_model(made)
    return made


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("model", help="the export at 416 x 416")
    arguments.add_argument("out", help="the ONNX file to write")
    given = arguments.parse_args()
    with open(given.out, "wb") as file:
        file.write(convert(onnx.load(given.model)).SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
