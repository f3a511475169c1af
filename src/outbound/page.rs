//! The address of the page, for links that leave the machine.

use tallycam_config::{Config, Listen};

/// The address of the page, with a slash at the end: as it is set, or else by the machine's name.
pub(super) fn address(config: &Config) -> String {
    of(config.messages.page.as_deref(), &config.http.listen)
}

fn of(set: Option<&str>, listen: &[Listen]) -> String {
    let of_listen = |listen: &Listen| match listen {
        Listen::Tcp(address) if address.port() == 80 => Some(String::new()),
        Listen::Tcp(address) => Some(format!(":{}", address.port())),
        _ => None,
    };
    let own = || {
        let name = rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase();
        let name = name.split('.').next().unwrap_or_default();
        format!("http://{name}.local{}", listen.iter().find_map(of_listen).unwrap_or_default())
    };
    let page = set.map_or_else(own, str::to_owned);
    format!("{}/", page.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_the_page() {
        assert_eq!(of(Some("https://cam.example.org/gate"), &[]), "https://cam.example.org/gate/");
        let own = of(None, &[Listen::Tcp("0.0.0.0:8080".parse().unwrap())]);
        assert!(own.starts_with("http://") && own.ends_with(".local:8080/"), "{own}");
    }
}
