//! Serves the protocol in one thread: requests of tallycam and events of the cameras.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use libcamera::camera_manager::CameraManager;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use tallycam_libcamera::{
    Buffer, Channel, Fault, FaultKind, FromHelper, Hello, Open, ReceiveError, ToHelper,
};

use crate::cameras::describe_all;
use crate::session::{Opened, Session, failed, fault};

/// Events from libcamera's threads, except frames.
enum Event {
    /// A camera was added or removed.
    Cameras,
    /// The camera with this id was removed.
    Gone(String),
}

/// Wakes the loop. A write adds to the counter, so that no event is lost and no thread waits.
#[derive(Clone)]
struct Bell(Arc<OwnedFd>);

impl Bell {
    fn ring(&self) {
        // It fails if the counter is full, and then the loop is awake anyway.
        let _ = rustix::io::write(&*self.0, &1_u64.to_ne_bytes());
    }

    fn clear(&self) {
        let _ = rustix::io::read(&*self.0, &mut [0; 8]);
    }
}

/// Why the service ends.
enum End {
    /// The other side has closed the socket.
    Closed,
    Camera(Fault),
    Failed(io::Error),
}

impl From<Fault> for End {
    fn from(fault: Fault) -> End {
        End::Camera(fault)
    }
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> End {
        match error.raw_os_error() {
            Some(libc::EPIPE | libc::ECONNRESET) => End::Closed,
            _ => End::Failed(error),
        }
    }
}

/// Serves until the socket is closed.
///
/// # Errors
/// libcamera does not start, the socket fails, or a camera has failed, which the other side already knows.
pub fn serve(channel: Channel, hello: Hello) -> Result<(), String> {
    let mut server = match Server::new(channel) {
        Ok(server) => server,
        Err(error) => return Err(format!("libcamera does not start: {error}")),
    };
    let end = server.run(hello);
    if let Some(session) = server.session.take() {
        session.stop();
    }
    match end {
        End::Closed => Ok(()),
        End::Failed(error) => Err(error.to_string()),
        End::Camera(fault) => {
            let what = std::iter::once(&fault.what)
                .chain(&fault.causes)
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(": ");
            let _ = server.channel.send(&FromHelper::Fault(fault), None, true);
            Err(what)
        }
    }
}

struct Server<'d> {
    channel: Channel,
    session: Option<Session<'d>>,
    bell: Bell,
    events: Receiver<Event>,
    /// Created once for the process: libcamera does not support a second one. After the session, which must be
    /// dropped first.
    manager: CameraManager,
}

impl Server<'_> {
    fn new(socket: Channel) -> io::Result<Self> {
        let bell = Bell(Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?));
        let (sender, events) = channel();
        let mut manager = CameraManager::new()?;
        let tell = |sender: Sender<Event>, bell: Bell| {
            move |event: Event| {
                let _ = sender.send(event);
                bell.ring();
            }
        };
        let came = tell(sender.clone(), bell.clone());
        manager.on_camera_added(move |_| came(Event::Cameras));
        let went = tell(sender.clone(), bell.clone());
        manager.on_camera_removed(move |camera| went(Event::Gone(camera.id().to_owned())));
        Ok(Server { channel: socket, session: None, bell, events, manager })
    }

    fn run(&mut self, hello: Hello) -> End {
        let began = self.say(&FromHelper::Hello(hello)).and_then(|()| self.say_cameras());
        if let Err(end) = began {
            return end;
        }
        loop {
            if let Err(end) = self.turn() {
                return end;
            }
        }
    }

    /// Waits for the next event and handles it.
    fn turn(&mut self) -> Result<(), End> {
        let wait = self.session.as_ref().and_then(Session::wait);
        let wait = wait
            .map(|us| Timespec { tv_sec: (us / 1_000_000) as i64, tv_nsec: (us % 1_000_000 * 1000) as _ });
        let mut ready = [
            PollFd::from_borrowed_fd(self.channel.as_fd(), PollFlags::IN),
            PollFd::new(&*self.bell.0, PollFlags::IN),
        ];
        match poll(&mut ready, wait.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(io::Error::from(error).into()),
        }
        // Before the announced events are handled.
        self.bell.clear();
        self.send_frames()?;
        while let Ok(event) = self.events.try_recv() {
            self.cameras_changed(&event)?;
        }
        loop {
            match self.channel.receive() {
                Ok(None) => break,
                Ok(Some((message, _))) => self.obey(message)?,
                Err(ReceiveError::Closed) => return Err(End::Closed),
                Err(error) => return Err(End::Failed(io::Error::other(error))),
            }
        }
        if let Some(session) = &mut self.session {
            session.queue()?;
        }
        Ok(())
    }

    fn say(&self, message: &FromHelper) -> Result<(), End> {
        Ok(self.channel.send(message, None, false)?)
    }

    fn say_cameras(&self) -> Result<(), End> {
        self.say(&FromHelper::Cameras(describe_all(&self.manager)))
    }

    fn cameras_changed(&mut self, event: &Event) -> Result<(), End> {
        if let (Event::Gone(id), Some(session)) = (event, &self.session)
            && session.id() == id
        {
            return Err(fault(FaultKind::Unplugged, "the camera has gone").into());
        }
        self.say_cameras()
    }

    fn send_frames(&mut self) -> Result<(), End> {
        let Some(session) = &mut self.session else { return Ok(()) };
        while let Some((frame, metadata)) = session.frame()? {
            match self.channel.send(&FromHelper::Frame(frame), None, true) {
                // A reader that is too slow loses frames; the camera continues.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => session.take_back(frame.buffer),
                sent => sent?,
            }
            if let Some(metadata) = metadata {
                match self.channel.send(&FromHelper::Metadata(metadata), None, true) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    sent => sent?,
                }
            }
        }
        Ok(())
    }

    fn obey(&mut self, message: ToHelper) -> Result<(), End> {
        match message {
            ToHelper::Open(open) => self.open(&open),
            ToHelper::Return { buffer } => {
                if let Some(session) = &mut self.session {
                    session.take_back(buffer);
                }
                Ok(())
            }
            ToHelper::Set(value) => {
                let set = match &mut self.session {
                    Some(session) => session.set(&value),
                    None => Err("no camera is open".to_owned()),
                };
                self.say(&match set {
                    Ok(()) => FromHelper::WasSet(value),
                    Err(why) => FromHelper::Refused { name: value.name, why },
                })
            }
        }
    }

    fn open(&mut self, open: &Open) -> Result<(), End> {
        let camera = match self.session.take() {
            Some(session) if session.id() == open.camera => session.stop(),
            other => {
                drop(other.map(Session::stop));
                let found = self.manager.get(&open.camera);
                let found = found.ok_or_else(|| fault(FaultKind::Absent, "there is no such camera"))?;
                found.acquire().map_err(|error| failed("the camera could not be opened", &error))?
            }
        };
        let bell = self.bell.clone();
        let (session, Opened { configured, buffers }) = Session::start(camera, open, move || bell.ring())?;
        let session = self.session.insert(session);
        self.channel.send(&FromHelper::Configured(configured), None, false)?;
        for (stream, memos) in (0..).zip(buffers) {
            for (buffer, memo) in (0..).zip(memos) {
                let about = Buffer { stream, buffer, bytes: memo.bytes };
                self.channel.send(&FromHelper::Buffer(about), Some(memo.descriptor.as_fd()), false)?;
            }
        }
        Ok(session.queue()?)
    }
}
