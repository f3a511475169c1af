//! A steady stream allocates nothing per frame except the reference count of each picture. Measured.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use tallycam::base::ClockTime;
use tallycam::encode::Encoder;
use tallycam::media::{Fourcc, Frame, Hub};

struct Counting;

static COUNT: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is passed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        BYTES.fetch_add(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: the caller keeps the promises that the system allocator asks for.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations and their bytes during `run`. The program has a single test, so nothing else counts.
fn during(run: impl FnOnce()) -> (u64, u64) {
    let before = (COUNT.load(Ordering::Relaxed), BYTES.load(Ordering::Relaxed));
    run();
    (COUNT.load(Ordering::Relaxed) - before.0, BYTES.load(Ordering::Relaxed) - before.1)
}

#[test]
fn a_steady_stream_takes_no_memory() {
    const FRAMES: u64 = 50;
    const VIEWERS: usize = 20;
    let (width, height) = (640u32, 480u32);
    let yuyv: Vec<u8> = (0..width * height * 2).map(|i| (i / 7 % 256) as u8).collect();
    let hub = Hub::new();
    let mut viewers: Vec<_> = (0..VIEWERS).map(|_| hub.subscribe()).collect();
    let mut encoder = Encoder::new(80).unwrap();
    let mut jpeg = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    let mut round = |fourcc: Fourcc, data: &[u8], stride: u32| {
        let frame =
            Frame { fourcc, width, height, stride, data, second: None, stamp: ClockTime::now(), sequence: 1 };
        let picture = encoder.encode(&frame).unwrap();
        let len = picture.jpeg_len();
        hub.publish(picture);
        for viewer in &mut viewers {
            let Poll::Ready(Some(picture)) = viewer.poll_next(&mut cx) else { panic!("no picture") };
            assert!(picture.part().len() > picture.jpeg_len());
            assert!(viewer.poll_next(&mut cx).is_pending());
        }
        len as u64
    };
    // The first frames size the planes, the compressor's buffer and the hub's list of waiting tasks.
    (0..4).for_each(|_| {
        round(Fourcc::YUYV, &yuyv, 2 * width);
    });
    let mut raw_len = 0;
    let raw = during(|| (0..FRAMES).for_each(|_| raw_len = round(Fourcc::YUYV, &yuyv, 2 * width)));
    {
        let frame = Frame {
            fourcc: Fourcc::YUYV,
            width,
            height,
            stride: 2 * width,
            data: &yuyv,
            second: None,
            stamp: ClockTime::now(),
            sequence: 1,
        };
        jpeg.extend_from_slice(&Encoder::new(80).unwrap().encode(&frame).unwrap().jpeg());
    }
    // Each buffer in turn grows by the room for Huffman tables.
    (0..4).for_each(|_| {
        round(Fourcc::MJPG, &jpeg, 0);
    });
    let passed = during(|| {
        (0..FRAMES).for_each(|_| {
            round(Fourcc::MJPG, &jpeg, 0);
        })
    });
    println!("raw: {raw:?}, passed through: {passed:?} for {FRAMES} frames of {raw_len} bytes");
    // Buffers are reused; the reference count of each shared buffer is left.
    for (count, bytes) in [raw, passed] {
        assert!(count <= FRAMES, "{count} allocations for {FRAMES} frames");
        assert!(bytes <= FRAMES * 128, "{bytes} bytes for {FRAMES} pictures of {raw_len}");
    }
}
