//! The line on every page that leads through the first set-up, until it is over.

use super::facts::SetUp;

/// The steps: what the line on the other pages calls each, and the page where it is done.
pub(super) const STEPS: [(&str, &str); 4] =
    [("camera", "cameras"), ("password", "access"), ("first line", "lines?line=new"), ("test walk", "./")];

/// The line on every page until the set-up is over.
pub(super) fn set_up_bar(steps: &SetUp) -> String {
    let done = steps.done().iter().filter(|is_done| **is_done).count();
    let next = steps
        .next()
        .and_then(|step| STEPS.get(step))
        .map(|(name, address)| format!(" · <a href=\"{address}\">Next: {name}</a>"));
    format!(
        "<nav id=\"set-up\" aria-label=\"Set-up\"><a href=\"welcome\">Set up: {done} of {}</a>{}</nav>\n",
        STEPS.len(),
        next.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::fixtures;

    #[test]
    fn the_line_leads_to_the_next_step_and_the_simulation_holds_nobody_up() {
        assert!(set_up_bar(&fixtures::set_up()).contains("1 of 4</a> · <a href=\"access\">Next: password"));
        let mut steps = SetUp { has_camera: false, is_simulated: true, ..fixtures::set_up() };
        assert!(set_up_bar(&steps).contains("0 of 4</a> · <a href=\"access\">Next: password"));
        steps.has_password = true;
        assert!(set_up_bar(&steps).contains("1 of 4</a> · <a href=\"lines?line=new\">Next: first line"));
        assert!(!steps.is_over());
        steps.has_line = true;
        assert!(steps.is_over() && steps.next() == Some(3));
    }
}
