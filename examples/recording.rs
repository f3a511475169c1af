//! The cost of recording. Records synthetic pictures through the store, with retention in its steady state, and
//! prints:
//!
//! - bytes written per stored byte (`write_bytes` of /proc/self/io).
//! - CPU per picture, at full speed and at a camera's pace, beside the minimum of any program.
//! - growth of the memory.
//! - time of a seek, a list, and a start, also with the rows of a store of 10 GB.
//! - time of a backup, alone and while 3 MB/s are recorded.
//!
//! `cargo run --release --example recording -- DIRECTORY [bytes a second] [seconds]`; DIRECTORY is on the disk to
//! measure.

use std::fs::File;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tallycam::base::ClockTime;
use tallycam::store::media::{
    Chunk, ChunkFrame, Ended, Media, MediaError, MediaOrigin, MediaQuery, MediaReader, MediaSettings,
    NewRecording, NewSnapshot, RetentionRules,
};

type Failure = Box<dyn std::error::Error>;

const FPS: u64 = 30;

const CHUNK_BYTES: usize = 2 << 20;

/// Writes past the page cache are multiples of this.
const BLOCK: usize = 4096;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().ok_or("name a directory")?).join("keep-trial");
    let rate: u64 = arguments.next().map_or(Ok(3_000_000), |word| word.parse())?;
    let seconds: u64 = arguments.next().map_or(Ok(120), |word| word.parse())?;
    steady(&directory, rate, seconds)?;
    paced(&directory, rate)?;
    reading(&directory)?;
    large(&directory)?;
    backups(&directory)?;
    Ok(())
}

fn settings(directory: &Path, most: Option<u64>) -> MediaSettings {
    MediaSettings {
        directory: directory.to_owned(),
        camera: String::from("trial"),
        zone: jiff::tz::TimeZone::UTC,
        retention: RetentionRules { recordings_bytes: most, ..RetentionRules::default() },
    }
}

/// Recordings of ten seconds in turn; the newest forty seconds are kept.
fn steady(directory: &Path, rate: u64, seconds: u64) -> Result<(), Failure> {
    let _ = std::fs::remove_dir_all(directory);
    let (media, worker) = Media::open(settings(directory, Some(rate * 40)))?;
    let picture = picture((rate / FPS) as usize);
    let mut begun = None;
    let (mut kept, mut pictures) = (0u64, 0u64);
    // Sixty seconds of pictures fill the ring first.
    for recording in 0..(60 + seconds) / 10 {
        if recording == 6 {
            begun = Some((written()?, cpu()?, resident()?));
        }
        let mut handle = media.begin_recording(new(&format!("{recording}.mp4")))?;
        let mut chunk = Chunk::default();
        for n in 0..10 * FPS {
            let (offset, len) = (chunk.jpegs.len() as u32, picture.len() as u32);
            chunk.frames.push(ChunkFrame { at_us: n * 1_000_000 / FPS, offset, len, sequence: n });
            chunk.jpegs.extend_from_slice(&picture);
            if (n + 1) % FPS == 0 || chunk.jpegs.len() + picture.len() > 2 << 20 {
                (chunk.width, chunk.height) = (1280, 720);
                chunk = handle.append_waiting(chunk)?;
            }
        }
        if !chunk.frames.is_empty() {
            (chunk.width, chunk.height) = (1280, 720);
            handle.append_waiting(chunk)?;
        }
        handle.end(Ended::Asked)?;
        if recording >= 6 {
            kept += 10 * FPS * picture.len() as u64;
            pictures += 10 * FPS;
        }
    }
    let (written_before, cpu_before, resident_before) = begun.ok_or("too few seconds")?;
    let (written, cpu, resident) = (written()?, cpu()?, resident()?);
    println!("{rate} bytes a second, {seconds} s:");
    println!("  bytes written for a byte kept: {:.3}", (written - written_before) as f64 / kept as f64);
    println!("  CPU a picture: {:.1} µs", (cpu - cpu_before).as_secs_f64() * 1e6 / pictures as f64);
    println!(
        "  memory: {} kB, {:+} kB since the ring was full",
        resident,
        resident as i64 - resident_before as i64
    );
    println!("  file: {} bytes", std::fs::metadata(media.file())?.len());
    media.stop();
    worker.join_within(Duration::from_secs(30))?;
    Ok(())
}

/// Ten seconds of pictures at a camera's pace of 30 fps: CPU of the store per picture if each picture wakes it up.
/// For comparison, a plain file that is as safe: a copy, and for each chunk a write past the page cache and a sync.
/// The file is written once by a thread that each picture wakes up, and once by one that wakes up per chunk, the
/// minimum of any program.
fn paced(directory: &Path, rate: u64) -> Result<(), Failure> {
    const PICTURES: u64 = 10 * FPS;
    let _ = std::fs::remove_dir_all(directory);
    let picture = picture((rate / FPS) as usize);
    let is_full = |count: u64, bytes: usize| count.is_multiple_of(27) || bytes + picture.len() > CHUNK_BYTES;
    let step = Duration::from_secs(1) / FPS as u32;

    let (media, worker) = Media::open(settings(directory, None))?;
    let mut handle = media.begin_recording(new("paced.mp4"))?;
    let mut chunk = Chunk::default();
    let (began, cpu_before) = (Instant::now(), cpu()?);
    for n in 0..PICTURES {
        std::thread::sleep((step * n as u32).saturating_sub(began.elapsed()));
        let (offset, len) = (chunk.jpegs.len() as u32, picture.len() as u32);
        chunk.frames.push(ChunkFrame { at_us: n * 1_000_000 / FPS, offset, len, sequence: n });
        chunk.jpegs.extend_from_slice(&picture);
        if is_full(n + 1, chunk.jpegs.len()) {
            (chunk.width, chunk.height) = (1280, 720);
            chunk = handle.append_waiting(chunk)?;
        }
    }
    handle.end(Ended::Asked)?;
    let store = (cpu()? - cpu_before).as_secs_f64() * 1e6 / PICTURES as f64;
    media.stop();
    worker.join_within(Duration::from_secs(30))?;

    let direct = rustix::fs::OFlags::DIRECT.bits() as i32;
    let mut memory = vec![0; CHUNK_BYTES + 2 * BLOCK];
    let from = memory.as_ptr().align_offset(BLOCK);
    let mut plain = [0.0; 2];
    for (is_woken_by_each, spent) in [true, false].into_iter().zip(&mut plain) {
        // A new file: writes to existing blocks are cheaper.
        let _ = std::fs::remove_file(directory.join("plain"));
        let file = File::options()
            .write(true)
            .create_new(true)
            .custom_flags(direct)
            .open(directory.join("plain"))?;
        let (mut waiting, mut len, mut at) = (0, 0, 0);
        let (began, cpu_before) = (Instant::now(), cpu()?);
        for n in 0..PICTURES {
            waiting += 1;
            let is_due = is_full(n + 1, len + waiting * picture.len()) || n + 1 == PICTURES;
            if !is_woken_by_each && !is_due {
                continue;
            }
            std::thread::sleep((step * n as u32).saturating_sub(began.elapsed()));
            for _ in 0..std::mem::take(&mut waiting) {
                memory[from + len..from + len + picture.len()].copy_from_slice(&picture);
                len += picture.len();
            }
            if is_due {
                let written = len.next_multiple_of(BLOCK);
                file.write_all_at(&memory[from..from + written], at)?;
                file.sync_data()?;
                (len, at) = (0, at + written as u64);
            }
        }
        *spent = (cpu()? - cpu_before).as_secs_f64() * 1e6 / PICTURES as f64;
    }
    let [by_each, by_chunk] = plain;
    println!(
        "  30 pictures a second of {} bytes: {store:.1} µs CPU each, where a copy, a write past the cache and a sync need \
         {by_each:.1} µs ({by_chunk:.1} µs if nobody is woken but for a chunk)",
        picture.len(),
    );
    std::fs::remove_dir_all(directory)?;
    Ok(())
}

/// A recording of an hour, and ten thousand snapshots.
fn reading(directory: &Path) -> Result<(), Failure> {
    let _ = std::fs::remove_dir_all(directory);
    let (media, worker) = Media::open(settings(directory, None))?;
    let mut handle = media.begin_recording(new("hour.mp4"))?;
    let small = picture(1000);
    let mut chunk = Chunk::default();
    for second in 0..3600 {
        for n in 0..FPS {
            let at_us = second * 1_000_000 + n * 1_000_000 / FPS;
            let offset = chunk.jpegs.len() as u32;
            chunk.frames.push(ChunkFrame {
                at_us,
                offset,
                len: small.len() as u32,
                sequence: second * FPS + n,
            });
            chunk.jpegs.extend_from_slice(&small);
        }
        (chunk.width, chunk.height) = (1280, 720);
        chunk = handle.append_waiting(chunk)?;
    }
    let hour = handle.end(Ended::Asked)?.ok_or("a recording")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(async {
        for n in 0..10_000u64 {
            let snapshot = NewSnapshot {
                name: Some(format!("{n}.jpg")),
                may_rename: false,
                date: None,
                jpeg: bytes::Bytes::from(small.clone()),
                stamp: ClockTime::now(),
                width: 1280,
                height: 720,
                source: String::from("trial"),
                origin: MediaOrigin::Asked,
                note: String::new(),
            };
            media.add_snapshot(snapshot).await?;
        }
        Ok::<_, Failure>(())
    })?;
    let reader = media.reader()?;
    let mut worst = Duration::ZERO;
    for second in (0..3600).step_by(7) {
        let began = Instant::now();
        let chunk = reader.chunk_at(hour.id, second * 1_000_000)?.ok_or("a chunk")?;
        let frame = reader.frames(hour.id, chunk.number)?[0];
        reader.bytes(hour.id, chunk.number, frame.offset, frame.len)?;
        worst = worst.max(began.elapsed());
    }
    println!("  seek in an hour: {:.2} ms at worst", worst.as_secs_f64() * 1e3);
    let began = Instant::now();
    let (mut cursor, mut count) = (None, 0);
    loop {
        let page = reader.list(&MediaQuery { limit: 1000, cursor, ..MediaQuery::default() })?;
        count += page.items.len();
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    println!("  list of {count} items: {:.2} ms", began.elapsed().as_secs_f64() * 1e3);
    let began = Instant::now();
    reader.list(&MediaQuery { limit: 100, ..MediaQuery::default() })?;
    println!("  its first page of 100: {:.2} ms", began.elapsed().as_secs_f64() * 1e3);
    drop(reader);
    media.stop();
    worker.join_within(Duration::from_secs(30))?;
    let began = Instant::now();
    let (media, worker) = Media::open(settings(directory, None))?;
    let opened = began.elapsed();
    MediaReader::open(media.file())?.list(&MediaQuery { limit: 10, ..MediaQuery::default() })?;
    println!(
        "  start: {:.2} ms, with the first list {:.2} ms",
        opened.as_secs_f64() * 1e3,
        began.elapsed().as_secs_f64() * 1e3
    );
    media.stop();
    worker.join_within(Duration::from_secs(30))?;
    std::fs::remove_dir_all(directory)?;
    Ok(())
}

/// The rows of 10 GB: 330 recordings of ten chunks of 3 MB, 10 000 snapshots, a recording that a power cut left open,
/// and an item whose space is not freed yet. Each picture is one byte: a start does not read them.
fn large(directory: &Path) -> Result<(), Failure> {
    const CHUNK: i64 = 3_000_000;
    let _ = std::fs::remove_dir_all(directory);
    let (media, worker) = Media::open(settings(directory, None))?;
    media.stop();
    worker.join_within(Duration::from_secs(30))?;
    let file = media.file().to_owned();
    let mut connection = rusqlite::Connection::open(&file)?;
    let filling = connection.transaction()?;
    let items: i64 = 330 + 10_000;
    for id in 1..=items {
        let (kind, chunks, bytes) =
            if id <= 330 { ("recording", 10, CHUNK) } else { ("snapshot", 1, 100_000) };
        let state = match id {
            330 => 1,
            329 => 2,
            _ => 0,
        };
        filling.execute(
            "INSERT INTO items (id, name, kind, date, at_us, added_us, state, duration_us, frames, bytes, camera, source,
               origin, note, added_mono_us, dated)
             VALUES (?1, ?1, ?2, '2026-11-20', ?3, ?3, ?4, 10000000, ?5, ?6, 'trial', 'trial', 'asked', '', 0, 0)",
            rusqlite::params![id, kind, 1_780_308_000_000_000 + id * 10_000_000, state, 30 * chunks, chunks * bytes],
        )?;
        for chunk in 0..chunks {
            filling.execute(
                "INSERT INTO chunks VALUES (?1, ?2, ?2 + 966666, 30, ?3, 1280, 720, 0, 30 * ?4, ?3 * ?4, 0, 33333,
                   zeroblob(100), x'ff', NULL)",
                rusqlite::params![(id << 32) | chunk, chunk * 1_000_000, bytes, chunk],
            )?;
        }
    }
    filling.commit()?;
    drop(connection);
    let began = Instant::now();
    let (media, worker) = Media::open(settings(directory, None))?;
    let opened = began.elapsed();
    let sums = media.reader()?.storage(&RetentionRules::default())?;
    let told = began.elapsed();
    println!(
        "  start with the rows of {:.1} GB: {:.2} ms, with the gauge {:.2} ms",
        (sums.recordings.1 + sums.snapshots.1 + sums.going_bytes) as f64 / 1e9,
        opened.as_secs_f64() * 1e3,
        told.as_secs_f64() * 1e3
    );
    media.stop();
    worker.join_within(Duration::from_secs(30))?;
    std::fs::remove_dir_all(directory)?;
    Ok(())
}

/// A backup of about 400 MB, alone and while 3 MB/s are recorded.
fn backups(directory: &Path) -> Result<(), Failure> {
    let _ = std::fs::remove_dir_all(directory);
    let (media, worker) = Media::open(settings(directory, None))?;
    let picture = picture(100_000);
    let second = |number: u64| {
        let mut chunk = Chunk { width: 1280, height: 720, ..Chunk::default() };
        for n in 0..FPS {
            let (offset, len) = (chunk.jpegs.len() as u32, picture.len() as u32);
            let at_us = number * 1_000_000 + n * 1_000_000 / FPS;
            chunk.frames.push(ChunkFrame { at_us, offset, len, sequence: number * FPS + n });
            chunk.jpegs.extend_from_slice(&picture);
        }
        chunk
    };
    let mut handle = media.begin_recording(new("first.mp4"))?;
    for number in 0..140 {
        handle.append_waiting(second(number))?;
    }
    handle.end(Ended::Asked)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let backup = || -> Result<(f64, u64, u64), Failure> {
        let (began, before) = (Instant::now(), resident()?);
        let (mut bytes, mut most) = (0, 0);
        runtime.block_on(async {
            let mut backup = media.backup().await?;
            while let Some(piece) = backup.pieces.recv().await {
                bytes += piece?.len() as u64;
                most = resident()?.saturating_sub(before).max(most);
            }
            Ok::<_, Failure>(())
        })?;
        Ok((began.elapsed().as_secs_f64(), bytes, most))
    };
    let (idle, bytes, _) = backup()?;
    let is_over = AtomicBool::new(false);
    let (busy, most, seconds) = std::thread::scope(|scope| {
        let recording = scope.spawn(|| -> Result<u64, MediaError> {
            let mut handle = media.begin_recording(new("second.mp4"))?;
            let began = Instant::now();
            let mut number = 0;
            while number < 2 || !is_over.load(Ordering::Relaxed) {
                handle.append_waiting(second(number))?;
                number += 1;
                std::thread::sleep(Duration::from_secs(number).saturating_sub(began.elapsed()));
            }
            handle.end(Ended::Asked)?;
            Ok(number)
        });
        let busy = backup();
        is_over.store(true, Ordering::Relaxed);
        let seconds = recording.join().map_err(|_| "the recording panicked")??;
        let (busy, _, most) = busy?;
        Ok::<_, Failure>((busy, most, seconds))
    })?;
    println!(
        "  backup of {bytes} bytes: {idle:.2} s idle, {busy:.2} s while 3 MB/s are recorded ({:.2} of that; {seconds} s of \
         pictures, memory at most {most:+} kB)",
        busy / idle
    );
    media.stop();
    worker.join_within(Duration::from_secs(30))?;
    std::fs::remove_dir_all(directory)?;
    Ok(())
}

fn new(name: &str) -> NewRecording {
    NewRecording {
        name: Some(name.to_owned()),
        may_rename: false,
        date: None,
        stamp: ClockTime::now(),
        source: String::from("trial"),
        origin: MediaOrigin::Asked,
        note: String::new(),
    }
}

/// Incompressible bytes that begin and end like a JPEG.
fn picture(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut bytes: Vec<u8> = (0..len)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as u8
        })
        .collect();
    bytes[..2].copy_from_slice(&[0xff, 0xd8]);
    bytes[len - 2..].copy_from_slice(&[0xff, 0xd9]);
    bytes
}

/// Bytes that this process wrote to block devices.
fn written() -> Result<u64, Failure> {
    number_in("/proc/self/io", "write_bytes:")
}

/// Resident memory in kB.
fn resident() -> Result<u64, Failure> {
    number_in("/proc/self/status", "VmRSS:")
}

fn number_in(file: &str, word: &str) -> Result<u64, Failure> {
    let text = std::fs::read_to_string(file)?;
    let line = text.lines().find_map(|line| line.strip_prefix(word)).ok_or("no such line")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

fn cpu() -> Result<Duration, Failure> {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Ok(Duration::new(used.tv_sec as u64, used.tv_nsec as u32))
}
