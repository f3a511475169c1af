//! Prints the time that tracking takes in a crowd. It asserts nothing.
//!
//! ```sh
//! cargo run --release --example crowd
//! ```

use std::time::{Duration, Instant};

use tallycam::vision::{
    Aspect, Bounds, Class, Counter, CounterOptions, CountingLine, Detection, Labels, LineId, Point,
};

const FRAMES: usize = 500;

/// Box of the `n`th walker of a crowd in a frame. Each has its own place and way, `dense` times as near to each other
/// as the picture allows without overlap.
fn walker(n: usize, frame: usize, side: usize, dense: f32) -> Detection {
    let step = 1.0 / side as f32 / dense;
    let (row, column) = (n / side, n % side);
    let phase = n as f32 * 1.7 + frame as f32 * 0.05;
    let x = 0.5 + (column as f32 + 0.5 - side as f32 / 2.0) * step + 0.3 * step * phase.sin();
    let y = 0.5 + (row as f32 + 0.5 - side as f32 / 2.0) * step + 0.3 * step * phase.cos();
    let size = 0.8 / side as f32;
    let score = 0.45 + 0.5 * ((n * 7919 + frame * 31) % 100) as f32 / 100.0;
    Detection { class: Class(0), score, bounds: Bounds::centered_at(Point::new(x, y), 0.5 * size, size) }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!(
        "{:>8} {:>8} {:>8} {:>10} {:>10} {:>10}",
        "walkers", "dense", "tracks", "median", "p99", "worst"
    );
    for (walkers, dense) in [(10, 1.0), (50, 1.0), (200, 1.0), (200, 2.0), (200, 4.0), (500, 2.0)] {
        let mut counter =
            Counter::new(CounterOptions::default(), Labels::new(["person"]), Aspect::new(1280, 720));
        let line = CountingLine::new(LineId(1), "middle", Point::new(0.5, 1.0), Point::new(0.5, 0.0))?;
        counter.set_lines(vec![line])?;
        let side = (walkers as f32).sqrt().ceil() as usize;
        let mut times: Vec<Duration> = Vec::with_capacity(FRAMES);
        for frame in 0..FRAMES {
            // One in twenty is not detected, so that there are lost tracks as well.
            let seen: Vec<Detection> = (0..walkers)
                .filter(|n| (n * 13 + frame) % 20 != 0)
                .map(|n| walker(n, frame, side, dense))
                .collect();
            let start = Instant::now();
            counter.update(&seen, frame as u64 * 100_000);
            times.push(start.elapsed());
        }
        let tracks = counter.tracks().len();
        times.sort();
        let (median, p99, worst) = (times[FRAMES / 2], times[FRAMES * 99 / 100], times[FRAMES - 1]);
        println!("{walkers:>8} {dense:>8} {tracks:>8} {median:>10.1?} {p99:>10.1?} {worst:>10.1?}");
    }
    Ok(())
}
