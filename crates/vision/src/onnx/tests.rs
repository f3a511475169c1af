//! Small files with constructs that real exporters write and the engine does not accept unchanged.
//! `tests/models/make.py` makes them and stores onnxruntime's results for the input below in each.

use super::network::Network;

/// Checks that the results for an input of this size are those of onnxruntime.
fn assert_as_onnxruntime(onnx: &[u8], size: Option<(u32, u32)>) {
    let mut network = Network::load(onnx, size, 1).unwrap();
    let answer = network.origin().properties.iter().find(|(name, _)| name == "answer").unwrap().1.clone();
    let wanted: Vec<f32> = answer.split(' ').map(|number| number.parse().unwrap()).collect();
    let picture: Vec<f32> = (0..network.input().len()).map(|at| (at * 31 % 256) as f32 / 256.0).collect();
    let outputs = network.run(&picture).unwrap();
    let given: Vec<f32> = outputs.iter().flat_map(|output| output.values.to_vec()).collect();
    assert_eq!(given.len(), wanted.len());
    let is_same = |(given, wanted): (&f32, &f32)| (given - wanted).abs() < 1e-5;
    assert!(given.iter().zip(&wanted).all(is_same), "{given:?} instead of {wanted:?}");
}

/// The deformable attention of RT-DETR: several maps at once, positions between pixels and outside, both conventions.
#[test]
fn a_grid_sample_is_computed() {
    assert_as_onnxruntime(include_bytes!("../../../../tests/models/grid_sample.onnx"), None);
}

/// Transformers' exporter leaves the number of colours open, too.
#[test]
fn an_input_may_be_open_in_every_dimension() {
    assert_as_onnxruntime(include_bytes!("../../../../tests/models/open_channels.onnx"), Some((6, 4)));
}

/// Exports for any size compute rows and columns from the image's shape, for example Ultralytics' with
/// `dynamic=True`.
#[test]
fn sizes_are_counted_through() {
    assert_as_onnxruntime(include_bytes!("../../../../tests/models/counted_sizes.onnx"), Some((6, 4)));
}

/// PyTorch writes an empty name for the value of a Pad.
#[test]
fn an_omitted_input_is_accepted() {
    assert_as_onnxruntime(include_bytes!("../../../../tests/models/absent_input.onnx"), None);
}
