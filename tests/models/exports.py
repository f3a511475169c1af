"""Exports detectors from the packages people train with, and compares tallycam's numbers with onnxruntime's.

Not part of CI: it needs about 6 GB of Python packages, and nothing in the repository depends on what it writes.

    python3 -m venv venv
    venv/bin/pip install torch==2.2.2 torchvision==0.17.2 'numpy<2' onnx onnxruntime onnxslim transformers==4.49.0 timm \
        ultralytics
    cargo build --example infer
    venv/bin/python tests/models/exports.py target/debug/examples/infer FOLDER [NAME ...]

The weights are random, with a fixed seed: such a network sees nothing, but its graph is the one a trained network has, and
its numbers must be the same in both engines. For each export the script prints the largest difference of any number,
relative to that number where it is above 1, or the sentence with which tallycam refuses the file. A difference above 1e-3
makes it end with 1: also where rows that are sorted by their scores change places because two scores are nearly the same.
models/README.md has what was seen.
"""

import os
import shutil
import subprocess
import sys
import warnings

import numpy
import onnxruntime
import torch

MOST = 1e-3


def stir(model):
    """Random weights through which a picture is seen. With those that the packages begin with it fades on the way, or the
    heads are zero: then all boxes are the same, and which of them come first is decided by the last bits of a sum."""
    for weights in model.parameters():
        if weights.dim() > 1:
            torch.nn.init.normal_(weights, std=(2 / weights[0].numel()) ** 0.5)
    return model.eval()


def ultralytics(name, **options):
    def export(path):
        from ultralytics import RTDETR, YOLO

        # RT-DETR's class takes only the model's name.
        model = RTDETR(f"{name}.yaml") if name.startswith("rtdetr") else YOLO(f"{name}.yaml", verbose=False)
        stir(model.model)
        shutil.move(model.export(format="onnx", **options), path)

    return export


class Outputs(torch.nn.Module):
    """A model of Transformers, of whose outputs the two that matter are kept."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixels):
        found = self.model(pixels)
        return found.logits, found.pred_boxes


def transformers(name, side=320, open_dimensions=(), **options):
    """`open_dimensions`: which of the picture's dimensions the file leaves open, by their names."""

    def export(path):
        import transformers

        config_class = getattr(transformers, f"{name}Config")
        model_class = getattr(transformers, f"{name}ForObjectDetection")
        settings = dict(use_pretrained_backbone=False) | options
        model = Outputs(stir(model_class(config_class(**settings))))
        names = ["batch_size", "num_channels", "height", "width"]
        is_open = {at: name for at, name in enumerate(names) if name in open_dimensions}
        # Inputs and outputs have the names that Optimum gives them.
        torch.onnx.export(
            model, torch.zeros(1, 3, side, side), path, opset_version=17, input_names=["pixel_values"],
            output_names=["logits", "pred_boxes"], dynamic_axes={"pixel_values": is_open} if is_open else None,
        )

    return export


class BeforeNms(torch.nn.Module):
    """A detector of torchvision as it is to be exported: with its normalisation, and with all of its boxes and scores
    instead of those that it chooses in the end, for that choice (NMS) is what ONNX has no plain operators for."""

    def __init__(self, model, score):
        super().__init__()
        self.model, self.score = model, score

    def forward(self, images):
        from torchvision.models.detection.image_list import ImageList

        transform = self.model.transform
        mean, deviation = (torch.tensor(of).view(1, 3, 1, 1) for of in (transform.image_mean, transform.image_std))
        images = (images - mean) / deviation
        maps = list(self.model.backbone(images).values())
        found = self.model.head(maps)
        anchors = self.model.anchor_generator(ImageList(images, [images.shape[-2:]]), maps)[0]
        boxes = self.model.box_coder.decode_single(found["bbox_regression"][0], anchors)
        return boxes[None], self.score(found["cls_logits"])


def torchvision(name, side=320, score=None, **options):
    """`score`: what makes scores of the numbers of the classes; without it, the model is exported as it is."""

    def export(path):
        from torchvision.models import detection

        model = stir(getattr(detection, name)(weights=None, weights_backbone=None, **options))
        names = ["boxes", "scores"]
        if score:
            model = BeforeNms(model, score).eval()
        else:
            names = None
        torch.onnx.export(
            model, torch.zeros(1, 3, side, side), path, opset_version=17, input_names=["images"], output_names=names
        )

    return export


# Dimensions that Optimum leaves open, and the size of the smallest YOLOS: the usual one is larger than tallycam
# allows.
OPEN = ["batch_size", "num_channels", "height", "width"]
YOLOS_TINY = dict(image_size=[320, 320], hidden_size=192, intermediate_size=768, num_attention_heads=3)

EXPORTS = {
    "yolov5nu": ultralytics("yolov5n"),
    "yolov8n": ultralytics("yolov8n"),
    "yolov8n, 640×384": ultralytics("yolov8n", imgsz=(384, 640)),
    "yolov8n, dynamic": ultralytics("yolov8n", dynamic=True),
    "yolov9t": ultralytics("yolov9t"),
    "yolov10n": ultralytics("yolov10n"),
    "yolo11n": ultralytics("yolo11n"),
    "yolo11n, nms": ultralytics("yolo11n", nms=True),
    "yolo11n-pose": ultralytics("yolo11n-pose"),
    "yolo11n-seg": ultralytics("yolo11n-seg"),
    "yolo11n-obb": ultralytics("yolo11n-obb"),
    "yolo11n-cls": ultralytics("yolo11n-cls"),
    "yolo12n": ultralytics("yolo12n"),
    "yolo26n": ultralytics("yolo26n"),
    "rtdetr-l": ultralytics("rtdetr-l"),
    "DETR": transformers("Detr"),
    "Conditional DETR": transformers("ConditionalDetr"),
    "Deformable DETR": transformers("DeformableDetr"),
    "DETR, open": transformers("Detr", open_dimensions=OPEN),
    "YOLOS": transformers("Yolos", **YOLOS_TINY),
    "YOLOS, open": transformers("Yolos", open_dimensions=OPEN, **YOLOS_TINY),
    "RT-DETR": transformers("RTDetr"),
    "RT-DETR, open": transformers("RTDetr", side=640, open_dimensions=OPEN),
    "RT-DETRv2": transformers("RTDetrV2"),
    "SSDLite of torchvision": torchvision("ssdlite320_mobilenet_v3_large"),
    "SSDLite of torchvision, before NMS": torchvision(
        "ssdlite320_mobilenet_v3_large", score=torch.nn.Softmax(dim=-1)
    ),
    "RetinaNet of torchvision": torchvision("retinanet_resnet50_fpn"),
}


def compare(infer, path):
    """What came of it, and whether that is good."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    wanted = session.get_inputs()[0]
    shape = [side if isinstance(side, int) else usual for side, usual in zip(wanted.shape, (1, 3, 640, 640))]
    # Soft noise with an edge in it.
    picture = (numpy.random.default_rng(1).random(shape) * 0.3 + 0.4).astype(numpy.float32)
    picture[..., : shape[-1] // 2] *= 0.5
    picture.tofile(f"{path}.picture")
    size = f"{shape[3]}x{shape[2]}"
    command = [infer, path, "1", "2", size, f"{path}.picture", f"{path}.output"]
    ours = subprocess.run(command, capture_output=True, text=True)
    if ours.returncode:
        return f"refused: {ours.stderr.strip().splitlines()[-1]}", True
    difference = 0.0
    for at, expected in enumerate(session.run(None, {wanted.name: picture})):
        expected = expected.astype(numpy.float32)
        given = numpy.fromfile(f"{path}.output.{at}", numpy.float32)
        if given.size != expected.size:
            return f"output {at} has {given.size} numbers, not {expected.size}", False
        scale = numpy.maximum(1.0, numpy.abs(expected.ravel()))
        # Not Python's max, which ignores NaN.
        difference = float(numpy.maximum(difference, (numpy.abs(given - expected.ravel()) / scale).max(initial=0.0)))
    return f"agrees to {difference:.0e}", difference <= MOST


def main():
    infer, folder, *names = sys.argv[1:]
    infer, folder = os.path.abspath(infer), os.path.abspath(folder)
    os.makedirs(folder, exist_ok=True)
    os.chdir(folder)
    warnings.simplefilter("ignore")
    all_good = True
    for name in names or EXPORTS:
        path = os.path.join(folder, name.replace(", ", "-").replace(" ", "-") + ".onnx")
        try:
            if not os.path.exists(path):
                torch.manual_seed(1)
                with torch.no_grad():
                    EXPORTS[name](path)
            said, is_good = compare(infer, path)
        except Exception as error:  # One exporter that fails is told like the others.
            said, is_good = f"not exported: {type(error).__name__}: {str(error)[:300]}", True
        all_good &= is_good
        print(f"| {name} | {said} |", flush=True)
    sys.exit(0 if all_good else 1)


if __name__ == "__main__":
    main()
