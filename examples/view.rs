//! Changes one JPEG over and over for a view, and prints the cost.
//!
//! `view PICTURE.jpg QUERY [RUNS [OUTPUT.jpg]]`: QUERY is that of `/stream` (`gray=1&scale=1/2&rotate=90`). Prints
//! one line of JSON: the processor time of each run in milliseconds, and the result's properties. benches/views.py
//! runs this.

use std::error::Error;

use bytes::Bytes;
use rustix::time::{ClockId, clock_gettime};
use tallycam::encode::Transformer;
use tallycam::media::View;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let word = |at: usize| words.get(at).map(String::as_str);
    let usage = "view PICTURE.jpg QUERY [RUNS [OUTPUT.jpg]]";
    let jpeg = Bytes::from(std::fs::read(word(0).ok_or(usage)?)?);
    let query = word(1).ok_or(usage)?;
    let view = View::read(|key| {
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(name, _)| *name == key)
            .map(|(_, v)| v)
    })
    .map_err(|wrong| format!("{} should be {}", wrong.key, wrong.expected))?;
    let runs: usize = word(2).map_or(Ok(100), str::parse)?;
    let mut transformer = Transformer::new()?;
    let mut spent = Vec::new();
    for _ in 0..runs {
        let before = processor_ms();
        transformer.transform(&jpeg, &view, None, None, 80)?;
        spent.push(format!("{:.4}", processor_ms() - before));
    }
    let made = transformer.transform(&jpeg, &view, None, None, 80)?;
    let (width, height, bytes) = (made.width, made.height, made.jpeg.len());
    println!("{{\"cpu_ms\":[{}],\"width\":{width},\"height\":{height},\"bytes\":{bytes}}}", spent.join(","));
    if let Some(output) = word(3) {
        std::fs::write(output, &made.jpeg)?;
    }
    Ok(())
}

/// Processor time of this process, in milliseconds.
fn processor_ms() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 * 1e-6
}
