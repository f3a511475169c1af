//! Decides what the thread `detect` does, as a pure function of requests and facts.

use crate::pipeline::CameraState;
use crate::pipeline::counting::shared::DetectorRequests;
use tallycam_store::Scene;

/// Numbers of counting lines and zones in one scene.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ShapeCount {
    pub lines: usize,
    pub zones: usize,
}

impl ShapeCount {
    fn is_any(self) -> bool {
        self.lines + self.zones > 0
    }
}

/// The lines of the counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CounterLines {
    pub scene: Scene,
    /// The vertical middle line counts, because no line is drawn.
    pub with_middle: bool,
}

/// Requests and facts.
#[derive(Debug, Clone, Copy)]
pub struct Needs<'a> {
    /// The settings allow counting.
    pub is_on: bool,
    pub camera: &'a CameraState,
    pub requests: DetectorRequests,
    /// The hold of the earlier programs has started since the last plan.
    pub is_hold_new: bool,
    /// Scene of the source.
    pub scene: Scene,
    /// Shapes in that scene.
    pub here: ShapeCount,
    /// Shapes in the configured scene, which a stand-in may hide.
    pub configured: ShapeCount,
    /// Shapes in the simulation, while it is unknown whether the source is one.
    pub possible: ShapeCount,
    /// Lines or zones have changed since the last plan.
    pub are_shapes_new: bool,
    /// The lines that the counter has; `None` for a new counter.
    pub told: Option<CounterLines>,
    /// The thread is subscribed to pictures.
    pub has_pictures: bool,
}

/// A decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Hold the camera open.
    pub demands_camera: bool,
    /// Subscribe to pictures.
    pub takes_pictures: bool,
    /// Discard the results, which do not describe the current view.
    pub clears_results: bool,
    /// Make a refused detector again at once.
    pub retries_detector: bool,
    /// The lines to count on.
    pub lines: CounterLines,
    /// Give the counter its lines.
    pub tells_counter: bool,
}

/// Makes the decision.
pub fn plan(needs: &Needs<'_>) -> Plan {
    let may_count = needs.is_on && *needs.camera != CameraState::Paused;
    let counts_here = needs.here.is_any() || needs.requests.is_held;
    // The camera behind a stand-in must come back, and a source not yet opened may have the shapes.
    let counts_elsewhere = needs.configured.is_any() || needs.possible.is_any();
    let takes_pictures = may_count && (counts_here || needs.requests.annotating > 0);
    let with_middle = needs.requests.is_held && needs.here.lines == 0;
    let lines = CounterLines { scene: needs.scene, with_middle };
    Plan {
        demands_camera: may_count && (counts_here || counts_elsewhere),
        takes_pictures,
        clears_results: *needs.camera != CameraState::Live || (needs.has_pictures && !takes_pictures),
        retries_detector: needs.are_shapes_new || needs.is_hold_new,
        lines,
        tells_counter: needs.are_shapes_new || needs.told != Some(lines),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: ShapeCount = ShapeCount { lines: 1, zones: 0 };
    const ZONE: ShapeCount = ShapeCount { lines: 0, zones: 1 };
    const NONE: ShapeCount = ShapeCount { lines: 0, zones: 0 };
    const PLAIN: CounterLines = CounterLines { scene: Scene::Camera, with_middle: false };

    /// A live camera without shapes, and a counter that has its lines.
    fn needs() -> Needs<'static> {
        Needs {
            is_on: true,
            camera: &CameraState::Live,
            requests: DetectorRequests::default(),
            is_hold_new: false,
            scene: Scene::Camera,
            here: NONE,
            configured: NONE,
            possible: NONE,
            are_shapes_new: false,
            told: Some(PLAIN),
            has_pictures: false,
        }
    }

    fn requests(is_held: bool, annotating: usize) -> DetectorRequests {
        DetectorRequests { is_held, annotating, ..DetectorRequests::default() }
    }

    #[test]
    fn shapes_and_the_hold_open_the_camera_and_pictures_are_taken_for_counting_shapes() {
        let (held, watched, none) = (requests(true, 0), requests(false, 2), requests(false, 0));
        // here, configured, possible, requests: demands the camera, takes pictures
        for (here, configured, possible, requests, demands, takes) in [
            (NONE, NONE, NONE, none, false, false),
            (LINE, LINE, NONE, none, true, true),
            (ZONE, ZONE, NONE, none, true, true),
            // A stand-in without shapes is shown.
            (NONE, LINE, NONE, none, true, false),
            (NONE, ZONE, NONE, none, true, false),
            // Only a stand-in that may still appear has shapes.
            (NONE, NONE, LINE, none, true, false),
            (NONE, NONE, ZONE, none, true, false),
            (NONE, NONE, NONE, held, true, true),
            // Annotated pictures are a view: they do not open the camera.
            (NONE, NONE, NONE, watched, false, true),
            (NONE, LINE, NONE, watched, true, true),
        ] {
            let wanted = Needs { here, configured, possible, requests, ..needs() };
            let plan_of = |wanted: &Needs<'_>| (plan(wanted).demands_camera, plan(wanted).takes_pictures);
            assert_eq!(plan_of(&wanted), (demands, takes), "{wanted:?}");
            for camera in [CameraState::Asleep, CameraState::Waking] {
                assert_eq!(plan_of(&Needs { camera: &camera, ..wanted }), (demands, takes), "{wanted:?}");
            }
            assert_eq!(plan_of(&Needs { is_on: false, ..wanted }), (false, false), "{wanted:?}");
            let paused = Needs { camera: &CameraState::Paused, ..wanted };
            assert_eq!(plan_of(&paused), (false, false), "{wanted:?}");
        }
    }

    #[test]
    fn the_middle_counts_while_the_hold_is_on_and_no_line_is_drawn() {
        for (here, is_held, want) in [
            (NONE, true, true),
            (ZONE, true, true),
            (LINE, true, false),
            (NONE, false, false),
            (ZONE, false, false),
        ] {
            let wanted = Needs { here, requests: requests(is_held, 0), ..needs() };
            assert_eq!(plan(&wanted).lines, CounterLines { with_middle: want, ..PLAIN }, "{wanted:?}");
        }
    }

    #[test]
    fn results_are_cleared_when_pictures_end_or_the_camera_is_not_live() {
        for (camera, here, has_pictures, want) in [
            (CameraState::Live, LINE, true, false),
            (CameraState::Live, LINE, false, false),
            (CameraState::Live, NONE, true, true),
            (CameraState::Live, NONE, false, false),
            (CameraState::Asleep, LINE, true, true),
            (CameraState::Waking, LINE, true, true),
            (CameraState::Paused, NONE, false, true),
        ] {
            let wanted = Needs { camera: &camera, here, has_pictures, ..needs() };
            assert_eq!(plan(&wanted).clears_results, want, "{wanted:?}");
        }
    }

    #[test]
    fn a_refused_detector_is_retried_after_a_change() {
        for (are_shapes_new, is_hold_new) in [(false, false), (true, false), (false, true), (true, true)] {
            let wanted = Needs { are_shapes_new, is_hold_new, ..needs() };
            assert_eq!(plan(&wanted).retries_detector, are_shapes_new || is_hold_new, "{wanted:?}");
        }
    }

    #[test]
    fn the_counter_gets_lines_that_it_does_not_have() {
        let elsewhere = CounterLines { scene: Scene::Sim, ..PLAIN };
        let middle = CounterLines { with_middle: true, ..PLAIN };
        for (told, are_shapes_new, want) in [
            (Some(PLAIN), false, false),
            (Some(PLAIN), true, true),
            (None, false, true),
            (Some(elsewhere), false, true),
            (Some(middle), false, true),
        ] {
            let wanted = Needs { told, are_shapes_new, ..needs() };
            assert_eq!(plan(&wanted).tells_counter, want, "{wanted:?}");
        }
    }
}
