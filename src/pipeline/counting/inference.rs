//! One detection: a picture is reduced, passed to the detector, and counted. Lives on the detect thread.
//!
//! Invariants: Track numbers never repeat while the service runs, also across restarts of the counter. A detector
//! that panics is reported as a failure and not used again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::lines::{self, Chosen, DetectorView};
use super::{CountingSettings, LoadedDetector, Overlay, ShownTrack};
use tallycam_base::{Fault, FaultKind};
use tallycam_camera::encode::{CompressError, ReduceError, Reducer};
use tallycam_camera::media::{Geometry, Picture, SmallImage};
use tallycam_store::{LineRow, LineStatus, NewMovement, NewStay, Scene, ZoneRow};
use tallycam_vision::{
    Aspect, Bounds, Class, Counter, CounterOptions, CountingLine, Detector, Direction, Filter, Labels,
    LineId, Outcome, Point, ReadPicture, RegionSchedule, Stay, TrackView, Trial, region_geometry,
};

/// Id of the vertical middle line that counts for the earlier programs while no line is drawn. counts.db never gives
/// a line this number.
pub const MIDDLE: u64 = u64::MAX;

/// A crossing of a line.
#[derive(Debug, Clone)]
pub struct Crossed {
    /// Number of the line; [`MIDDLE`] is not recorded.
    pub line: u64,
    /// The track, unique within the run.
    pub track: u64,
    /// Number of this track's crossing of this line, from 1.
    pub ordinal: u32,
    /// Name of the class.
    pub class: Arc<str>,
    /// Direction of the crossing.
    pub direction: Direction,
    /// Confidence, 0–1.
    pub score: f32,
    /// Time in microseconds of `CLOCK_MONOTONIC`.
    pub monotonic_us: u64,
    /// Speed on the ground in kilometres an hour; `None` if unknown.
    pub kmh: Option<f32>,
    /// Box of the track in fractions of the analysed picture, if the track continues.
    pub bounds: Option<[f32; 4]>,
}

/// A track that ended at a line without a count: a crossing may have been missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissedTrack {
    /// Number of the line.
    pub line: u64,
    /// The track, unique within the run.
    pub track: u64,
    /// Name of the class.
    pub class: Arc<str>,
    /// Time at which it was last seen, wall time in microseconds.
    pub time_us: u64,
}

/// Status of the drawn lines with a detector.
#[derive(Debug, Clone, Default)]
pub struct LineStatuses {
    /// For each line, its ability to count with this detector.
    pub lines: Vec<LineStatus>,
    /// Deviations from the settings, in sentences.
    pub notes: Vec<String>,
}

impl LineStatuses {
    /// Number of lines that count.
    pub fn countable_lines(&self) -> usize {
        self.lines.iter().filter(|line| line.is_able).count()
    }
}

/// Result of a detection.
#[derive(Debug)]
pub struct InferenceResult {
    /// Crossings in the counter's order.
    pub crossed: Vec<Crossed>,
    /// Tracks that may have crossed without a count.
    pub missed: Vec<MissedTrack>,
    /// The overlay to draw.
    pub overlay: Overlay,
    /// Stays in zones that have ended.
    pub stays: Vec<NewStay>,
    /// Time of the network, or of the whole detector if it has none. `None` if nothing moved and the detector was not
    /// asked.
    pub inference: Option<Duration>,
}

/// The decoder of pictures for the detector, and the buffer for its result.
#[derive(Debug)]
pub struct PictureReader {
    reducer: Reducer,
    image: SmallImage,
}

impl PictureReader {
    /// A new decoder.
    ///
    /// # Errors
    /// libjpeg-turbo could not be set up.
    pub fn new() -> Result<PictureReader, CompressError> {
        Ok(PictureReader { reducer: Reducer::new()?, image: SmallImage::empty() })
    }

    /// Frees the memory of large pictures.
    pub fn release(&mut self) {
        self.reducer.release();
        self.image = SmallImage::empty();
    }

    /// The part of `picture` that `geometry` selects, with at least this width and height; valid until the next call.
    /// `small` is the camera's own reduced version of the picture. It replaces decoding if it is large enough.
    ///
    /// # Errors
    /// The picture cannot be decoded.
    pub fn read<'a>(
        &'a mut self,
        picture: &Picture,
        small: Option<&'a SmallImage>,
        geometry: &Geometry,
        least: (u32, u32),
    ) -> Result<&'a SmallImage, ReduceError> {
        let does = |small: &&SmallImage| small.width >= least.0 as usize && small.height >= least.1 as usize;
        if let Some(small) = small.filter(does).filter(|_| geometry.is_identity()) {
            return Ok(small);
        }
        self.reducer.reduce_visible(picture, geometry, least, &mut self.image)?;
        Ok(&self.image)
    }

    /// Like [`PictureReader::read`], for a `region` in fractions of that part. `least` applies to the region.
    ///
    /// # Errors
    /// Like [`PictureReader::read`].
    pub fn read_region<'a>(
        &'a mut self,
        picture: &Picture,
        small: Option<&'a SmallImage>,
        geometry: &Geometry,
        region: &Bounds,
        least: (u32, u32),
    ) -> Result<&'a SmallImage, ReduceError> {
        if *region == Bounds::PICTURE {
            return self.read(picture, small, geometry, least);
        }
        let of_region = region_geometry(region);
        if let Some(small) = small.filter(|_| geometry.is_identity()) {
            let part = of_region.visible_part(small.of);
            let [luma, _] = small.sample_parts(part, small.of);
            if luma.width >= least.0 && luma.height >= least.1 {
                small.crop_into(part, &mut self.image);
                return Ok(&self.image);
            }
        }
        self.read(picture, None, &geometry.compose(&of_region), least)
    }
}

struct ShownPicture<'a> {
    reading: &'a mut PictureReader,
    picture: &'a Picture,
    small: Option<&'a SmallImage>,
    geometry: &'a Geometry,
}

impl ReadPicture for ShownPicture<'_> {
    type Error = Fault;

    fn size(&self) -> (u32, u32) {
        self.geometry.visible_size((self.picture.width, self.picture.height))
    }

    fn time_us(&self) -> u64 {
        self.picture.stamp.monotonic_us
    }

    fn read(&mut self, region: &Bounds, least: (u32, u32)) -> Result<&SmallImage, Fault> {
        let read = self.reading.read_region(self.picture, self.small, self.geometry, region, least);
        read.map_err(|error| Fault::new(FaultKind::Foreign, error.to_string()))
    }
}

/// A detector with the counter of its detections.
pub struct Watch {
    detector: Box<dyn Detector>,
    /// `onnx`, `motion` or `replay`.
    pub backend: &'static str,
    /// Name of the detector.
    pub name: String,
    /// The classes name kinds of objects.
    pub tells_classes: bool,
    labels: Labels,
    class_names: Vec<Arc<str>>,
    /// Classes that the settings select; all if empty.
    kept: Vec<Class>,
    counter: Counter,
    /// Size of the pictures that the counter knows.
    size: (u32, u32),
    /// The scene of the shapes.
    scene: Scene,
    /// Offset of track numbers: the counter's number 1 is the next one after this.
    base: u64,
    regions: RegionSchedule,
    /// Settings that this detector does not support, in sentences.
    pub notes: Vec<String>,
    /// The detector has panicked, by a bug in tallycam or in the model's file, and must not be used again.
    pub has_panicked: bool,
}

impl Watch {
    /// Starts a detector whose tracks have numbers above `highest`.
    ///
    /// # Errors
    /// The detector knows none of the classes in the settings.
    pub fn new(made: LoadedDetector, settings: &CountingSettings, highest: u64) -> Result<Watch, Fault> {
        let LoadedDetector { detector, backend, mut notes } = made;
        let (name, labels) = (detector.name().to_owned(), detector.labels().clone());
        let tells_classes = detector.has_classes();
        let (classes, score) = (&settings.classes, settings.score);
        let mut options = counter_options(&*detector, classes, score, "`detect.classes`", &mut notes)?;
        apply_filter(&mut options, &settings.filter, &mut notes);
        let class_names = labels.names().iter().map(|name| Arc::from(name.as_str())).collect();
        let kept = options.filter.classes.clone();
        let mut counter = Counter::new(options, labels.clone(), Aspect::new(1, 1));
        counter.set_movement_map(settings.movement_map);
        let regions = RegionSchedule::new(settings.region.unwrap_or(detector.default_region()));
        Ok(Watch {
            detector,
            backend,
            name,
            tells_classes,
            labels,
            class_names,
            kept,
            counter,
            size: (0, 0),
            scene: Scene::default(),
            base: highest,
            regions,
            notes,
            has_panicked: false,
        })
    }

    /// The minimum size of a picture of this size that fills the detector's input.
    pub fn least_size(&self, size: (u32, u32)) -> (u32, u32) {
        self.regions.least_size(size, &*self.detector)
    }

    /// Names of the classes.
    pub fn class_names(&self) -> &[Arc<str>] {
        &self.class_names
    }

    /// Counts on the shapes of `scene` from now on, and on a vertical middle line if `with_middle`. Returns the
    /// status of the lines, with notes on deviations from the settings.
    pub fn set_lines(
        &mut self,
        lines: &[LineRow],
        zones: &[ZoneRow],
        scene: Scene,
        with_middle: bool,
    ) -> LineStatuses {
        let eyes = DetectorView { detector: &self.name, labels: &self.labels, kept: &self.kept };
        let Chosen { lines: mut counted, unable, zones, excluded, mut notes } =
            lines::choose(lines, zones, scene, eyes);
        let is_counted = |id: u64| counted.iter().any(|line| line.id.0 == id);
        let judged =
            |row: &LineRow| LineStatus { line: row.id, version: row.version, is_able: is_counted(row.id) };
        let of_the_scene = lines.iter().filter(|row| is_counted(row.id) || unable.contains(&row.id));
        let lines_judged: Vec<LineStatus> = of_the_scene.map(judged).collect();
        if with_middle {
            counted.extend(default_middle_line());
        }
        if let Err(error) = self.counter.set_lines(counted) {
            notes.push(format!("the lines as they were before are counted on: {error}."));
        }
        self.scene = scene;
        self.counter.set_zones(zones);
        self.counter.set_excluded(excluded);
        self.regions.replan();
        LineStatuses { lines: lines_judged, notes }
    }

    /// Messages about lines in bad places, judged by the tracks so far, and the detector's advice.
    pub fn advice(&self) -> impl Iterator<Item = String> {
        let misplaced = self.counter.late_appearances();
        let misplaced = misplaced.map(|(line, past)| lines::too_near_note(&line.name, past));
        misplaced.chain(self.detector.advice().map(str::to_owned))
    }

    /// Keeps the detections from now on.
    pub fn keep_detections(&mut self) {
        self.counter.keep_detections();
    }

    /// The kept detections for a trial of this line.
    pub fn into_trial(self, line: u64) -> Option<Trial> {
        Trial::new(self.counter, LineId(line), self.detector.options().tracker)
    }

    /// True if the line with this number counts.
    pub fn counts_line(&self, line: u64) -> bool {
        self.counter.lines().any(|counted| counted.id.0 == line)
    }

    /// The camera's view has changed: forgets all tracks. Lines and zones stay.
    pub fn restart(&mut self) {
        self.detector.restart();
        self.counter.restart();
        self.regions.restart();
    }

    /// The highest track number so far.
    pub fn highest_track_id(&self) -> u64 {
        self.base + self.counter.highest_track_id()
    }

    /// Runs the detector on the part of `picture` that `geometry` selects. Lines and boxes are fractions of it. For
    /// `small` see [`PictureReader::read`].
    ///
    /// # Errors
    /// The picture could not be decoded, or the detector failed. See [`Watch::has_panicked`].
    pub fn run_inference(
        &mut self,
        reading: &mut PictureReader,
        picture: &Picture,
        small: Option<&SmallImage>,
        geometry: &Geometry,
    ) -> Result<InferenceResult, Fault> {
        let mut shown = ShownPicture { reading, picture, small, geometry };
        let size = shown.size();
        if size != self.size {
            if self.size != (0, 0) {
                self.restart();
            }
            self.counter.set_aspect(Aspect::new(size.0, size.1));
            self.size = size;
        }
        let Watch { detector, counter, regions, name, has_panicked, .. } = self;
        let mut inference = None;
        let outcome = regions.detect(&mut shown, &mut **detector, counter, |detector, image, _, found| {
            let began = Instant::now();
            catch_unwind(AssertUnwindSafe(|| detector.detect(image, found))).map_err(|_| {
                *has_panicked = true;
                Fault::wrong(format!("the detector {name} panicked"))
            })??;
            inference = Some(detector.inference().unwrap_or_else(|| began.elapsed()));
            Ok(())
        })?;
        Ok(self.to_result(picture, outcome, inference))
    }

    /// The result of a detection, or of a skipped one.
    fn to_result(&self, picture: &Picture, outcome: Outcome, inference: Option<Duration>) -> InferenceResult {
        let tracks: Vec<ShownTrack> =
            outcome.overlay.tracks.iter().map(|track| self.to_shown_track(track)).collect();
        let crossed = outcome
            .crossings
            .iter()
            .map(|crossing| {
                let track = self.base + crossing.track.0;
                Crossed {
                    line: crossing.line.0,
                    track,
                    ordinal: crossing.ordinal,
                    class: self.class_name(crossing.class),
                    direction: crossing.direction,
                    score: crossing.score,
                    monotonic_us: crossing.time_us,
                    kmh: crossing.kmh,
                    bounds: tracks.iter().find(|shown| shown.id == track).map(|shown| shown.bounds),
                }
            })
            .collect();
        let zones = outcome.overlay.zones.iter().map(|zone| (zone.zone.0, zone.total())).collect();
        let Picture { stamp, sequence, .. } = *picture;
        let missed = outcome.missed.iter().filter(|miss| miss.line.0 != MIDDLE).map(|miss| MissedTrack {
            line: miss.line.0,
            track: self.base + miss.track.0,
            class: self.class_name(miss.class),
            time_us: stamp.wall_us.saturating_sub(stamp.monotonic_us.saturating_sub(miss.time_us)),
        });
        let missed = missed.collect();
        let b = outcome.overlay.searched;
        let searched = [b.left, b.top, b.right, b.bottom];
        let overlay = Overlay { stamp, sequence, size: self.size, tracks, zones, searched };
        let stays = outcome.stays.iter().map(|stay| self.to_new_stay(stay)).collect();
        InferenceResult { crossed, missed, overlay, stays, inference }
    }

    /// Ends the stays in all zones, because counting ends.
    pub fn end_stays(&mut self) -> Vec<NewStay> {
        let stays = self.counter.end_stays();
        stays.iter().map(|stay| self.to_new_stay(stay)).collect()
    }

    /// Makes a movement map from now on, or none.
    pub fn set_movement_map(&mut self, is_on: bool) {
        self.counter.set_movement_map(is_on);
    }

    /// The movement map of pictures of this geometry since the last call, which began at `monotonic_us`.
    pub fn take_movement(&mut self, monotonic_us: u64, picture: Geometry) -> Option<NewMovement> {
        let cells = self.counter.take_movement()?;
        Some(NewMovement { scene: self.scene, picture, monotonic_us, cells })
    }

    fn to_new_stay(&self, stay: &Stay) -> NewStay {
        NewStay {
            zone: stay.zone.0,
            scene: self.scene,
            track: self.base + stay.track.0,
            class: self.class_name(stay.class),
            monotonic_us: stay.from_us,
            length_us: stay.to_us.saturating_sub(stay.from_us),
            is_cut: stay.is_cut,
        }
    }

    fn to_shown_track(&self, track: &TrackView) -> ShownTrack {
        let b = track.bounds;
        ShownTrack {
            id: self.base + track.id.0,
            class: self.class_name(track.class),
            score: track.score,
            bounds: [b.left, b.top, b.right, b.bottom],
            velocity: [track.velocity.x, track.velocity.y],
            in_sight: track.in_sight,
        }
    }

    fn class_name(&self, class: Class) -> Arc<str> {
        let place = usize::from(class.0);
        self.class_names.get(place).cloned().unwrap_or_else(|| Arc::from(format!("class {place}")))
    }
}

/// The detector's own options, restricted to these classes by name (all if empty) and the confidence that starts a
/// track. `named` is the place of the classes in the settings (`[detect] classes`), for `notes` on unsupported ones.
///
/// # Errors
/// The detector knows none of the classes.
pub fn counter_options(
    detector: &dyn Detector,
    classes: &[String],
    score: Option<f32>,
    named: &str,
    notes: &mut Vec<String>,
) -> Result<CounterOptions, Fault> {
    let mut options = detector.options();
    if let Some(score) = score {
        options.tracker.set_score(score);
    }
    if !detector.has_classes() {
        if !classes.is_empty() {
            notes.push(format!("{named}: {} tells no classes apart and counts all.", detector.name()));
        }
        return Ok(options);
    }
    let (known, unknown) = lines::match_classes(classes, detector.labels());
    if !unknown.is_empty() {
        let unknown = lines::quote_names(&unknown);
        if known.is_empty() {
            let names: Vec<&str> = detector.labels().names().iter().map(String::as_str).collect();
            return Err(Fault::wrong(format!("{} knows none of {named}: {unknown}", detector.name()))
                .hint(format!("its classes are {}", lines::quote_names(&names))));
        }
        notes.push(format!("{named}: {} does not know {unknown}.", detector.name()));
    }
    options.filter.classes = known;
    Ok(options)
}

/// Restricts tracking to objects of these heights; zones define the excluded areas. Adds `notes` on contradictory
/// heights.
pub fn apply_filter(options: &mut CounterOptions, filter: &Filter, notes: &mut Vec<String>) {
    options.filter.least_height = filter.least_height;
    options.filter.most_height = filter.most_height;
    if filter.most_height.is_some_and(|most| most < filter.least_height) {
        notes.push(String::from(
            "`detect.least_height` is more than `detect.most_height`: nothing is followed.",
        ));
    }
}

/// From the middle of the lower edge to the middle of the upper one: movement to the left is in.
fn default_middle_line() -> Option<CountingLine> {
    // The ends are two different points of the picture, so this is a valid line.
    CountingLine::new(LineId(MIDDLE), "middle", Point::new(0.5, 1.0), Point::new(0.5, 0.0)).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use tallycam_base::ClockTime;
    use tallycam_camera::encode::Encoder;
    use tallycam_camera::media::{Fourcc, Frame};
    use tallycam_store::LineDraft;
    use tallycam_vision::RegionShape;
    use tallycam_vision::{Detection, RegionMode};

    /// A person that walks from right to left in four seconds, repeatedly.
    struct Walker {
        labels: Labels,
        restarts: Arc<AtomicU32>,
    }

    impl Detector for Walker {
        fn name(&self) -> &str {
            "walker"
        }

        fn labels(&self) -> &Labels {
            &self.labels
        }

        fn least_size(&self, width: u32, height: u32) -> (u32, u32) {
            (width, height)
        }

        fn options(&self) -> CounterOptions {
            CounterOptions::default()
        }

        fn detect(&mut self, image: &SmallImage, found: &mut Vec<Detection>) -> Result<(), Fault> {
            let share = (image.stamp.monotonic_us % 4_000_000) as f32 / 4e6;
            let bounds = Bounds::centered_at(Point::new(0.8 - 0.6 * share, 0.5), 0.1, 0.3);
            *found = vec![Detection { class: Class(0), score: 0.9, bounds }];
            Ok(())
        }

        fn restart(&mut self) {
            self.restarts.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Finds dark areas, in square regions only.
    struct Dark {
        labels: Labels,
    }

    impl Detector for Dark {
        fn name(&self) -> &str {
            "dark"
        }

        fn labels(&self) -> &Labels {
            &self.labels
        }

        fn least_size(&self, width: u32, height: u32) -> (u32, u32) {
            (width.min(40), height.min(40))
        }

        fn options(&self) -> CounterOptions {
            CounterOptions::default()
        }

        fn detect(&mut self, image: &SmallImage, found: &mut Vec<Detection>) -> Result<(), Fault> {
            found.clear();
            let dark = |at: &usize| image.y[*at] < 80;
            let dark: Vec<(usize, usize)> =
                (0..image.y.len()).filter(dark).map(|at| (at % image.width, at / image.width)).collect();
            let span = |place: fn(&(usize, usize)) -> usize, of: usize| {
                let (from, to) = (dark.iter().map(place).min()?, dark.iter().map(place).max()?);
                Some((from as f32 / of as f32, (to + 1) as f32 / of as f32))
            };
            let (across, down) = (span(|at| at.0, image.width), span(|at| at.1, image.height));
            if let (Some((left, right)), Some((top, bottom))) = (across, down) {
                let bounds = Bounds::new(left, top, right, bottom);
                found.push(Detection { class: Class(0), score: 0.9, bounds });
            }
            Ok(())
        }

        fn set_region(&mut self, _: RegionMode, shape: RegionShape, _: (u32, u32)) -> bool {
            matches!(shape, RegionShape::Picture | RegionShape::Square)
        }
    }

    fn settings(region: Option<RegionMode>) -> CountingSettings {
        CountingSettings {
            is_on: true,
            fps: None,
            classes: Vec::new(),
            score: None,
            region,
            filter: Filter::default(),
            scene: Scene::Camera,
            may_be_simulated: false,
            thumbnails: false,
            movement_map: false,
            counts_only: false,
        }
    }

    /// A grey picture of `width` × `height` with a `dark` box (left, top, right, bottom).
    fn picture(
        encoder: &mut Encoder,
        number: u64,
        (width, height): (u32, u32),
        dark: [usize; 4],
    ) -> (Picture, SmallImage) {
        let stamp = ClockTime { monotonic_us: number * 100_000, wall_us: 0, wall_trusted: false };
        let mut data = vec![128_u8; (width * height * 3 / 2) as usize];
        let [left, top, right, bottom] = dark;
        for row in data.chunks_exact_mut(width as usize).take(bottom).skip(top) {
            row[left..right].fill(20);
        }
        let frame = Frame {
            fourcc: Fourcc::YU12,
            width,
            height,
            stride: width,
            data: &data,
            second: None,
            stamp,
            sequence: number,
        };
        let mut small = SmallImage::empty();
        small.reduce(&frame, (width / 2, height / 2)).unwrap();
        (encoder.encode(&frame).unwrap(), small)
    }

    #[test]
    fn boxes_of_a_region_have_picture_coordinates() {
        // The line is to the right of the middle: its region begins at 150 of 320 pixels.
        for has_small in [false, true] {
            let detector = Dark { labels: Labels::new(["person"]) };
            let made = LoadedDetector { detector: Box::new(detector), backend: "replay", notes: Vec::new() };
            let mut watch = Watch::new(made, &settings(Some(RegionMode::Line)), 0).unwrap();
            let mut line = door();
            (line.draft.a, line.draft.b) = ([0.625, 0.75], [0.625, 0.25]);
            assert_eq!(watch.set_lines(&[line], &[], Scene::Camera, false).countable_lines(), 1);
            let (mut reading, mut encoder) = (PictureReader::new().unwrap(), Encoder::new(90).unwrap());
            let mut crossed = Vec::new();
            for number in 0..36_u64 {
                let left = 160 + 2 * number as usize;
                let (picture, small) = picture(&mut encoder, number, (320, 180), [left, 80, left + 10, 110]);
                let small = has_small.then_some(&small);
                let seen = watch.run_inference(&mut reading, &picture, small, &Geometry::default()).unwrap();
                for shown in &seen.overlay.tracks {
                    let wanted =
                        [left as f32 / 320.0, 80.0 / 180.0, (left + 10) as f32 / 320.0, 110.0 / 180.0];
                    let is_there =
                        shown.bounds.iter().zip(wanted).all(|(is, wanted)| (is - wanted).abs() < 0.02);
                    assert!(is_there, "{number}: {:?}, not {wanted:?}", shown.bounds);
                }
                assert!(seen.overlay.tracks.len() == usize::from(number >= 3), "{number}");
                crossed.extend(seen.crossed);
            }
            let [only] = &crossed[..] else { panic!("{crossed:?}") };
            assert_eq!((only.line, only.direction), (7, Direction::Out));
        }
    }

    fn door() -> LineRow {
        LineRow {
            id: 7,
            version: 1,
            scene: None,
            draft: LineDraft::new("Door", [0.5, 1.0], [0.5, 0.0]),
            pinned: None,
            created_us: 0,
            moved_us: None,
            deleted_us: None,
        }
    }

    #[test]
    fn counting_restarts_with_pictures_of_another_size() {
        let restarts = Arc::new(AtomicU32::new(0));
        let walker = Walker { labels: Labels::new(["person"]), restarts: Arc::clone(&restarts) };
        let made = LoadedDetector { detector: Box::new(walker), backend: "replay", notes: Vec::new() };
        let mut watch = Watch::new(made, &settings(None), 0).unwrap();
        assert_eq!(watch.set_lines(&[door()], &[], Scene::Camera, false).countable_lines(), 1);
        let (mut reading, mut encoder) = (PictureReader::new().unwrap(), Encoder::new(80).unwrap());
        let mut crossed = Vec::new();
        for number in 0..80_u64 {
            // The pictures become wider while the person is on the line.
            let (width, height) = if number < 20 { (64, 48) } else { (96, 48) };
            let (picture, _) = picture(&mut encoder, number, (width, height), [0; 4]);
            let seen = watch.run_inference(&mut reading, &picture, None, &Geometry::default()).unwrap();
            assert_eq!(seen.overlay.size, (width, height));
            crossed.extend(seen.crossed);
        }
        // The person tracked across the change is not counted; the next one is.
        let [only] = &crossed[..] else { panic!("{crossed:?}") };
        assert_eq!((only.line, only.direction), (7, Direction::In));
        assert!((5_800_000..6_400_000).contains(&only.monotonic_us), "{only:?}");
        assert_eq!(restarts.load(Ordering::SeqCst), 1);
    }
}
