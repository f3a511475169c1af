//! The SPI bus and the pins of a Raspberry Pi, through rppal (the only file that names it).
//!
//! The bus works on every machine with Linux's spidev.

use std::io;
use std::path::Path;

use rppal::gpio::{self, Gpio, OutputPin};
use rppal::spi::{self, Bus, Mode, SlaveSelect, Spi};

use crate::media::{SourceError, SourceErrorKind};

/// An open SPI bus. Only its data line is used.
pub(crate) struct SpiBus {
    spi: Spi,
    name: String,
}

impl SpiBus {
    /// Opens `/dev/spidevB.C` with a clock of at most `hertz`.
    pub fn open(device: &Path, hertz: u32) -> Result<SpiBus, SourceError> {
        let name = device.display().to_string();
        let (bus, select) = spi_device(&name).ok_or_else(|| {
            SourceError::new(SourceErrorKind::Unsupported, format!("{name} is no SPI device"))
                .hint("`lights.device` is one such as /dev/spidev0.0")
        })?;
        let spi = Spi::new(bus, select, hertz, Mode::Mode0).map_err(|error| failure(&name, error))?;
        Ok(SpiBus { spi, name })
    }

    /// Sends `bytes` in one transfer.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), SourceError> {
        match self.spi.write(bytes) {
            Ok(sent) if sent == bytes.len() => Ok(()),
            Ok(sent) => {
                let what = format!("{} took {sent} of {} bytes", self.name, bytes.len());
                Err(SourceError::new(SourceErrorKind::Failed, what))
            }
            Err(error) => Err(failure(&self.name, error)),
        }
    }
}

/// Bus and chip select of `/dev/spidevB.C`.
fn spi_device(name: &str) -> Option<(Bus, SlaveSelect)> {
    let (bus, select) = name.strip_prefix("/dev/spidev")?.split_once('.')?;
    let bus = match bus {
        "0" => Bus::Spi0,
        "1" => Bus::Spi1,
        "2" => Bus::Spi2,
        "3" => Bus::Spi3,
        "4" => Bus::Spi4,
        "5" => Bus::Spi5,
        "6" => Bus::Spi6,
        _ => return None,
    };
    let select = match select {
        "0" => SlaveSelect::Ss0,
        "1" => SlaveSelect::Ss1,
        "2" => SlaveSelect::Ss2,
        "3" => SlaveSelect::Ss3,
        _ => return None,
    };
    Some((bus, select))
}

fn failure(name: &str, error: spi::Error) -> SourceError {
    let spi::Error::Io(error) = error else {
        return SourceError::new(SourceErrorKind::Unsupported, format!("{name} cannot be used for a strip"))
            .because(error)
            .hint("choose another bus with `lights.device`");
    };
    match error.kind() {
        io::ErrorKind::NotFound => SourceError::new(SourceErrorKind::Absent, format!("there is no {name}"))
            .hint("switch the bus on: dtparam=spi=on in /boot/firmware/config.txt, then restart the machine"),
        io::ErrorKind::PermissionDenied => SourceError::new(
            SourceErrorKind::Denied,
            format!("{name} may not be opened"),
        )
        .because(error)
        .hint(
            "put the user into the group spi: `sudo usermod -aG spi USER`, and log in again; the service's \
                    user is tallycam",
        ),
        io::ErrorKind::ResourceBusy => {
            SourceError::new(SourceErrorKind::Busy, format!("{name} is in use by another program"))
                .because(error)
                .hint(format!("`sudo fuser {name}` names it"))
        }
        _ => SourceError::new(SourceErrorKind::Failed, format!("{name} does not take what it is sent"))
            .because(error),
    }
}

/// An output pin of a Pi.
pub(crate) struct PiPin(OutputPin);

impl PiPin {
    /// Takes the pin with this GPIO number and sets it high if `is_high`.
    pub fn open(number: u8, is_high: bool) -> Result<PiPin, SourceError> {
        let pin =
            Gpio::new().and_then(|gpio| gpio.get(number)).map_err(|error| pin_failure(number, error))?;
        Ok(PiPin(if is_high { pin.into_output_high() } else { pin.into_output_low() }))
    }

    /// Sets the pin high or low.
    pub fn set(&mut self, is_high: bool) {
        if is_high { self.0.set_high() } else { self.0.set_low() }
    }
}

fn pin_failure(number: u8, error: gpio::Error) -> SourceError {
    let group = "put the user into the group gpio: `sudo usermod -aG gpio USER`, and log in again; the service's user \
        is tallycam";
    let what = format!("GPIO {number} may not be used");
    match error {
        gpio::Error::UnknownModel => {
            SourceError::new(SourceErrorKind::Absent, "this machine is not known as a Raspberry Pi")
                .hint("on another one name the pin's character device: `lights.chip`, such as /dev/gpiochip0")
        }
        gpio::Error::PinUsed(_) => {
            SourceError::new(SourceErrorKind::Busy, format!("GPIO {number} is in use"))
        }
        gpio::Error::PinNotAvailable(_) => {
            SourceError::new(SourceErrorKind::Unsupported, format!("there is no GPIO {number}"))
                .hint("`lights.pin` is the GPIO number, not the place on the header")
        }
        gpio::Error::PermissionDenied(place) => SourceError::new(SourceErrorKind::Denied, what)
            .because(format!("{place}: permission denied"))
            .hint(group),
        gpio::Error::Io(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            SourceError::new(SourceErrorKind::Denied, what).because(error).hint(group)
        }
        error => SourceError::new(SourceErrorKind::Failed, format!("GPIO {number} could not be had"))
            .because(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn device_names_give_bus_and_select() {
        assert_eq!(spi_device("/dev/spidev0.0"), Some((Bus::Spi0, SlaveSelect::Ss0)));
        assert_eq!(spi_device("/dev/spidev10.0"), None);
        assert_eq!(spi_device("/dev/spidev1.2"), Some((Bus::Spi1, SlaveSelect::Ss2)));
        for none in ["/dev/spidev0", "/dev/i2c-1", "spidev0.0", "/dev/spidev0.x", ""] {
            assert_eq!(spi_device(none), None, "{none}");
        }
    }

    #[test]
    fn each_failure_has_a_message_and_a_hint() {
        let of = |kind: io::ErrorKind| failure("/dev/spidev0.0", spi::Error::Io(kind.into()));
        for (kind, want, hint) in [
            (io::ErrorKind::NotFound, SourceErrorKind::Absent, "dtparam=spi=on"),
            (io::ErrorKind::PermissionDenied, SourceErrorKind::Denied, "group spi"),
            (io::ErrorKind::ResourceBusy, SourceErrorKind::Busy, "fuser"),
        ] {
            let trouble = of(kind);
            assert_eq!(trouble.kind, want);
            assert!(trouble.hint.unwrap().contains(hint));
        }
        assert_eq!(of(io::ErrorKind::BrokenPipe).kind, SourceErrorKind::Failed);
        let mode = failure("/dev/spidev0.0", spi::Error::ModeNotSupported(Mode::Mode0));
        assert_eq!(mode.kind, SourceErrorKind::Unsupported);
        for (error, want, hint) in [
            (gpio::Error::UnknownModel, SourceErrorKind::Absent, "chip"),
            (gpio::Error::PinNotAvailable(60), SourceErrorKind::Unsupported, "GPIO number"),
            (gpio::Error::PermissionDenied("/dev/gpiomem".into()), SourceErrorKind::Denied, "group gpio"),
            (gpio::Error::Io(io::ErrorKind::PermissionDenied.into()), SourceErrorKind::Denied, "group gpio"),
        ] {
            let trouble = pin_failure(17, error);
            assert_eq!(trouble.kind, want);
            assert!(trouble.hint.unwrap().contains(hint));
        }
        assert_eq!(pin_failure(17, gpio::Error::PinUsed(17)).kind, SourceErrorKind::Busy);
    }
}
