//! The right to go on with an answer: checked again while it is sent.

use std::rc::Rc;

use hyper::{HeaderMap, Method, Uri, Version};

use crate::http::request::right::Right;
use crate::http::server::link::Link;
use crate::http::server::permit::Permit;
use crate::http::site::Site;

/// The head of a request whose answer is under way.
pub(super) struct RequestHead {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) version: Version,
    pub(super) headers: Rc<HeaderMap>,
}

impl RequestHead {
    /// Checks the caller's right again while the answer is sent. If it tells a caller who may see internals about them,
    /// it also ends with that right.
    pub(super) fn permit(
        self,
        site: &Rc<Site>,
        link: &Rc<Link>,
        right: Right,
        tells_internals: bool,
    ) -> Permit {
        let (site, link) = (site.clone(), Rc::downgrade(link));
        let is_admitted = move |needs_internals| {
            let Some(link) = link.upgrade() else { return false };
            let caller = site.caller(&link, self.version, &self.method, &self.uri, &self.headers);
            site.auth.still_admits(caller, right, needs_internals)
        };
        let needs_internals = tells_internals && is_admitted(true);
        Permit(Box::new(move || is_admitted(needs_internals)))
    }
}
