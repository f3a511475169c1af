//! The camera: pictures, controls, lens, light.

pub(in crate::http) mod controls;
pub(in crate::http) mod controls_form;
pub(in crate::http) mod found;
pub(in crate::http) mod lens;
pub(in crate::http) mod light;
pub(in crate::http) mod live;
pub(in crate::http) mod mask;
pub(in crate::http) mod metrics;
pub(in crate::http) mod picture;
pub(in crate::http) mod state;
pub(in crate::http) mod view_query;
