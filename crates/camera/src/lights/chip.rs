//! An output pin of any GPIO character device, through gpiocdev (the only file that names it).

use std::path::Path;

use gpiocdev::Request;
use gpiocdev::line::Value;

use crate::media::{SourceError, SourceErrorKind};

/// A GPIO line, held as an output.
pub(crate) struct ChipPin {
    request: Request,
    line: u32,
    name: String,
}

impl ChipPin {
    /// Requests the line `line` of `chip` as an inactive output. With `active_low` it is active while low.
    pub fn open(chip: &Path, line: u8, active_low: bool) -> Result<ChipPin, SourceError> {
        let line = u32::from(line);
        let name = format!("line {line} of {}", chip.display());
        let mut builder = Request::builder();
        builder.on_chip(chip).with_consumer("tallycam").with_line(line);
        if active_low {
            builder.as_active_low();
        }
        builder.as_output(Value::Inactive);
        // The chip is opened first for the operating system's own error.
        let opened = std::fs::OpenOptions::new().read(true).write(true).open(chip);
        if let Err(error) = opened {
            return Err(failure(&name, error.kind(), &error));
        }
        match builder.request() {
            Ok(request) => Ok(ChipPin { request, line, name }),
            Err(error) => Err(failure(&name, kind(&error), &error)),
        }
    }

    /// Makes the line active or inactive.
    pub fn set(&mut self, is_active: bool) -> Result<(), SourceError> {
        let value = if is_active { Value::Active } else { Value::Inactive };
        let set = self.request.set_value(self.line, value);
        set.map_err(|error| failure(&self.name, kind(&error), &error))
    }
}

/// The kernel's error kind, if there is one in the chain of causes.
fn kind(error: &gpiocdev::Error) -> std::io::ErrorKind {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(gpiocdev::Error::Os(errno)) = error.downcast_ref::<gpiocdev::Error>() {
            return std::io::Error::from_raw_os_error(errno.0).kind();
        }
        if let Some(gpiocdev_uapi::Error::Os(errno)) = error.downcast_ref() {
            return std::io::Error::from_raw_os_error(errno.0).kind();
        }
        cause = error.source();
    }
    std::io::ErrorKind::Other
}

fn failure(name: &str, kind: std::io::ErrorKind, error: &dyn std::error::Error) -> SourceError {
    use std::io::ErrorKind;
    match kind {
        ErrorKind::NotFound => {
            SourceError::new(SourceErrorKind::Absent, format!("{name}: there is no such chip"))
                .hint("`ls /dev/gpiochip*` lists them; `lights.chip` names one")
        }
        ErrorKind::PermissionDenied => SourceError::new(
            SourceErrorKind::Denied,
            format!("{name} may not be used"),
        )
        .because(error)
        .hint(
            "put the user into the group gpio: `sudo usermod -aG gpio USER`, and log in again; the service's \
                user is tallycam",
        ),
        ErrorKind::ResourceBusy => SourceError::new(SourceErrorKind::Busy, format!("{name} is in use"))
            .because(error)
            .hint("`gpioinfo` shows which program uses it"),
        ErrorKind::InvalidInput => {
            SourceError::new(SourceErrorKind::Unsupported, format!("there is no {name}"))
                .because(error)
                .hint("`gpioinfo` lists the lines; `lights.pin` is a line's number")
        }
        _ => SourceError::new(SourceErrorKind::Failed, format!("{name} could not be had")).because(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::ErrorKind;

    use super::*;

    #[test]
    fn a_missing_or_wrong_chip_is_reported() {
        let open = |path: &str| ChipPin::open(Path::new(path), 3, false).err().unwrap();
        let absent = open("/dev/gpiochip999");
        assert_eq!(absent.kind, SourceErrorKind::Absent);
        assert!(absent.hint.unwrap().contains("/dev/gpiochip"));
        // A file that supports no GPIO ioctl.
        assert_eq!(open("/dev/null").kind, SourceErrorKind::Failed);
    }

    #[test]
    fn each_failure_has_its_kind() {
        for (kind, want) in [
            (ErrorKind::NotFound, SourceErrorKind::Absent),
            (ErrorKind::PermissionDenied, SourceErrorKind::Denied),
            (ErrorKind::ResourceBusy, SourceErrorKind::Busy),
            (ErrorKind::InvalidInput, SourceErrorKind::Unsupported),
            (ErrorKind::BrokenPipe, SourceErrorKind::Failed),
        ] {
            assert_eq!(failure("line 3 of /dev/gpiochip0", kind, &std::io::Error::from(kind)).kind, want);
        }
    }
}
