//! Runs a network on one picture over and over, and prints the cost of a run.
//!
//! `infer MODEL.onnx [RUNS [THREADS [WIDTHxHEIGHT [PICTURE [OUTPUT]]]]]`: PICTURE holds the input as 32-bit floats,
//! little-endian, in the network's layout (default: a pattern). The outputs are written to OUTPUT.0, OUTPUT.1 and so
//! on, in the same format. Prints one line of JSON: the time of every run in milliseconds, as wall time and as
//! processor time. benches/against_onnxruntime runs this.

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::process::ExitCode;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use tallycam::vision::onnx::Network;

fn main() -> ExitCode {
    match infer() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn infer() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let word = |at: usize| words.get(at).map(String::as_str).filter(|word| *word != "-");
    let path = word(0).ok_or("infer MODEL.onnx [RUNS [THREADS [WIDTHxHEIGHT [PICTURE [OUTPUT]]]]]")?;
    let runs: usize = word(1).map_or(Ok(30), str::parse)?;
    let threads: usize = word(2).map_or(Ok(1), str::parse)?;
    let size = match word(3) {
        Some(size) => {
            let (width, height) = size.split_once('x').ok_or("a size is WIDTHxHEIGHT")?;
            Some((width.parse()?, height.parse()?))
        }
        None => None,
    };
    let mut network = Network::load(&std::fs::read(path)?, size, threads)?;
    let picture = match word(4) {
        Some(path) => numbers(path)?,
        None => (0..network.input().len()).map(|at| (at * 31 % 256) as f32).collect(),
    };
    let (mut wall, mut spent) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let (begin, spent_before) = (Instant::now(), processor_ms());
        network.run(&picture)?;
        wall.push(format!("{:.4}", begin.elapsed().as_secs_f64() * 1e3));
        spent.push(format!("{:.4}", processor_ms() - spent_before));
    }
    println!("{{\"wall_ms\":[{}],\"cpu_ms\":[{}]}}", wall.join(","), spent.join(","));
    if let Some(path) = word(5) {
        for (at, output) in network.run(&picture)?.iter().enumerate() {
            let bytes: Vec<u8> = output.values.iter().flat_map(|value| value.to_le_bytes()).collect();
            std::fs::File::create(format!("{path}.{at}"))?.write_all(&bytes)?;
        }
    }
    Ok(())
}

/// Processor time of all threads of this process, in milliseconds.
fn processor_ms() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 * 1e-6
}

fn numbers(path: &str) -> Result<Vec<f32>, Box<dyn Error>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect())
}
