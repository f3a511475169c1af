//! A camera in your own program, with a source of your own or one of tallycam's. Its pictures come as an iterator,
//! and as the body of your own HTTP server.
//!
//! `cargo run --example embed` prints ten pictures and then shows them on http://127.0.0.1:8081/

use std::convert::Infallible;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use tallycam::{
    CaptureOptions, ClockTime, Fourcc, Frame, Opener, Pipeline, Source, SourceError, Stop, StreamBody,
    StreamFormat, stream_response,
};

/// A source of your own: grey bars that move. A real one would read frames from somewhere.
struct Bars {
    delivers: StreamFormat,
    pixels: Vec<u8>,
    sequence: u64,
}

/// Opens the source whenever pictures are needed, and only then.
struct OpenBars;

impl Opener for OpenBars {
    fn describe(&self) -> String {
        "wandering bars".into()
    }

    fn open(&mut self, _stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
        let delivers = StreamFormat {
            name: "Bars".into(),
            fourcc: Fourcc::GREY,
            width: 320,
            height: 240,
            fps: Some(25.0),
            notes: Vec::new(),
            is_simulated: true,
        };
        Ok(Box::new(Bars { delivers, pixels: vec![0; 320 * 240], sequence: 0 }))
    }
}

impl Source for Bars {
    fn source_info(&self) -> &StreamFormat {
        &self.delivers
    }

    fn next(&mut self, _wait: Duration) -> Result<Option<Frame<'_>>, SourceError> {
        std::thread::sleep(Duration::from_millis(40));
        self.sequence += 1;
        for (index, pixel) in self.pixels.iter_mut().enumerate() {
            *pixel = (index % 320) as u8 ^ (self.sequence as u8).wrapping_mul(4);
        }
        let (fourcc, stamp) = (Fourcc::GREY, ClockTime::now());
        let (width, height, stride) = (320, 240, 320);
        Ok(Some(Frame {
            fourcc,
            width,
            height,
            stride,
            data: &self.pixels,
            second: None,
            stamp,
            sequence: self.sequence,
        }))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (pipeline, _worker) = Pipeline::start(Box::new(OpenBars), CaptureOptions::default())?;

    // Pictures as an iterator, on any thread. The demand keeps the camera open.
    let demand = pipeline.demand();
    for picture in pipeline.hub().subscribe().into_iter().take(10) {
        println!("{}: {}×{}, {} bytes", picture.sequence, picture.width, picture.height, picture.jpeg_len());
    }
    drop(demand);

    // Pictures as an HTTP body, for any number of viewers.
    let listener =
        tokio::net::TcpListener::bind(std::env::var("EMBED_LISTEN").unwrap_or("127.0.0.1:8081".into()))
            .await?;
    println!("http://{}/", listener.local_addr()?);
    while std::env::var_os("EMBED_ONCE").is_none() {
        let (socket, _) = listener.accept().await?;
        let pipeline = pipeline.clone();
        tokio::spawn(async move {
            let demand = pipeline.demand();
            let show = service_fn(|_| async {
                Ok::<_, Infallible>(stream_response(StreamBody::new(pipeline.hub())))
            });
            let io = hyper_util::rt::TokioIo::new(socket);
            let _ = http1::Builder::new().serve_connection(io, show).await;
            drop(demand);
        });
    }
    pipeline.stop();
    Ok(())
}
