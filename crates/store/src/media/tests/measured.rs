//! Prints measurements: bytes written for a byte of pictures, memory, and the speed of a large store. Run alone:
//! `cargo test --lib store::media::tests::measured -- --ignored --nocapture --test-threads 1`.

use std::time::Instant;

use super::*;

/// Bytes that this process has written to a disk, and its resident bytes.
fn written_and_resident() -> (u64, u64) {
    let io = std::fs::read_to_string("/proc/self/io").expect("the kernel counts");
    let field = |name: &str| -> u64 {
        let line = io.lines().find_map(|line| line.strip_prefix(name)).expect("a counter");
        line.trim().parse().expect("a number")
    };
    let pages = std::fs::read_to_string("/proc/self/statm").expect("the kernel counts");
    let resident: u64 = pages.split(' ').nth(1).expect("a field").parse().expect("a number");
    (field("write_bytes:"), resident * 4096)
}

/// A ring in its steady state: retention deletes as fast as recording writes.
fn ring(
    name: &str,
    frames: u64,
    len: usize,
    limit: u64,
    chunks: u64,
    pragmas: &[(&str, i64)],
    is_vacuumed: bool,
) {
    let folder =
        tempfile::tempdir_in(std::env::var("MEASURED_IN").unwrap_or_else(|_| String::from("target")))
            .expect("a folder");
    if !is_vacuumed {
        let mut connection = rusqlite::Connection::open(folder.path().join("media.db")).expect("made");
        connection.pragma_update(None, "auto_vacuum", 0).expect("set");
        schema::SHAPE.migrate(&mut connection, 0).expect("made");
    }
    let mut bench = Bench::open(folder.path());
    for (pragma, value) in pragmas {
        bench.writer.connection.pragma_update(None, pragma, *value).expect("set");
    }
    bench.media.set_retention(RetentionRules { recordings_bytes: Some(limit), ..RetentionRules::default() });
    let data = chunk(0, frames, len);
    let bytes = data.jpegs.len() as u64;
    let mut spare = Chunk::default();
    let (mut before, mut began) = ((0, 0), Instant::now());
    let mut handle = bench.begin(None);
    let warm = 3 * limit / bytes;
    for number in 0..warm + chunks {
        if number == warm {
            (before, began) = (written_and_resident(), Instant::now());
        }
        if number % 20 == 19 {
            bench.end(handle).expect("it ends");
            handle = bench.begin(None);
        }
        spare.frames.extend_from_slice(&data.frames);
        spare.jpegs.extend_from_slice(&data.jpegs);
        (spare.width, spare.height) = (640, 480);
        spare = handle.append(spare).expect("a place");
        bench.turn();
        bench.clock.pass(S);
        bench.writer.run_background();
    }
    let took = began.elapsed();
    let after = written_and_resident();
    println!(
        "{name}: {:.4} bytes reach the disk for a byte of pictures; {:.1} ms a chunk of {bytes}; resident {:+.1} MB",
        (after.0 - before.0) as f64 / (chunks * bytes) as f64,
        took.as_secs_f64() * 1e3 / chunks as f64,
        (after.1 as f64 - before.1 as f64) / 1e6,
    );
}

#[test]
#[ignore = "a measurement"]
fn what_reaches_the_disk() {
    for (rate, frames, len, limit, chunks) in
        [("3 MB/s", 20, 100_000, 60_000_000, 100), ("300 kB/s", 30, 10_000, 12_000_000, 150)]
    {
        ring(&format!("{rate}, as it is"), frames, len, limit, chunks, &[], true);
        ring(&format!("{rate}, without auto_vacuum"), frames, len, limit, chunks, &[], false);
        ring(&format!("{rate}, cache 512 KiB"), frames, len, limit, chunks, &[("cache_size", -512)], true);
        let spilling = [("cache_size", -512), ("cache_spill", 1)];
        ring(&format!("{rate}, cache 512 KiB that spills"), frames, len, limit, chunks, &spilling, true);
    }
}

#[test]
#[ignore = "a measurement"]
fn how_quick_a_large_store_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bench = Bench::open(folder.path());
    items::fill(&bench, 10_000);
    let mut handle = bench.begin(None);
    // An hour and more of chunks with small pictures, and one page of sparse pictures for each.
    for number in 0..3700 {
        bench.append(&mut handle, chunk(number * 10, 10, 500));
    }
    let id = handle.id();
    bench.cut(vec![handle]);
    let timed = |what: &str, run: &mut dyn FnMut()| {
        let began = Instant::now();
        run();
        println!("{what}: {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
    };
    let mut bench = None;
    timed("start with 10 000 items and a recording to be closed", &mut || {
        bench = Some(Bench::open(folder.path()))
    });
    let bench = bench.expect("open");
    let reader = bench.reader();
    let query = MediaQuery { limit: 100, ..MediaQuery::default() };
    timed("a page of 100", &mut || assert_eq!(reader.list(&query).expect("a page").items.len(), 100));
    let all =
        MediaQuery { limit: 1000, text: Some(String::from("nothing has this")), ..MediaQuery::default() };
    timed("a search through all", &mut || assert!(reader.list(&all).expect("a page").items.is_empty()));
    timed("the gauge", &mut || drop(reader.storage(&RetentionRules::default())));
    timed("1000 seeks in an hour, each with its picture", &mut || {
        for seek in 0..1000 {
            let at_us = seek * 3_600_000;
            let row = reader.chunk_at(id, at_us).expect("there").expect("a chunk");
            let frames = reader.frames(id, row.number).expect("there");
            let frame = frames.iter().rfind(|frame| frame.at_us <= at_us).expect("one");
            reader.bytes(id, row.number, frame.offset, frame.len).expect("there");
        }
    });
}
