//! The names of the topics.

/// Retained topics that others than [`super::state`] write.
pub(super) const OTHERS_RETAINED: [&str; 3] = ["availability", "ledger", "picture"];

/// The topics of one camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Topics {
    pub(super) prefix: String,
    /// The client's id, a level of its own: rules at the broker confine a camera to its own topics by it.
    pub(super) id: String,
    /// The prefix of Home Assistant's discovery; empty: there is none.
    pub(super) discovery: String,
}

impl Topics {
    /// `PREFIX/ID`.
    pub(super) fn base(&self) -> String {
        format!("{}/{}", self.prefix, self.id)
    }

    /// `PREFIX/ID/name`.
    pub(super) fn own(&self, name: &str) -> String {
        own(&self.base(), name)
    }

    /// The camera's device in Home Assistant; `None` without discovery.
    pub(super) fn device_config(&self) -> Option<String> {
        let discovery = Some(&self.discovery).filter(|discovery| !discovery.is_empty())?;
        Some(format!("{discovery}/device/{}/config", self.id))
    }

    /// The topic on which Home Assistant says that it is there; `None` without discovery.
    pub(super) fn home_assistant(&self) -> Option<String> {
        let discovery = Some(&self.discovery).filter(|discovery| !discovery.is_empty())?;
        Some(format!("{discovery}/status"))
    }
}

/// `name` below `base`.
pub(super) fn own(base: &str, name: &str) -> String {
    format!("{base}/{name}")
}

#[cfg(test)]
mod tests {
    use crate::outbound::mqtt::samples::topics;

    #[test]
    fn the_id_is_a_whole_level() {
        let mut topics = topics();
        topics.prefix = String::from("site/hall");
        assert_eq!(topics.own("lines/3"), "site/hall/door/lines/3");
        assert_eq!(topics.device_config().as_deref(), Some("homeassistant/device/door/config"));
        assert_eq!(topics.home_assistant().as_deref(), Some("homeassistant/status"));
        topics.discovery.clear();
        assert_eq!((topics.device_config(), topics.home_assistant()), (None, None));
    }
}
