//! The common part of lines and zones: drawn on the page or pinned by the operator's file, changed, moved, deleted.
//! The writer calls this within its transaction.
//!
//! A shape without a scene is the operator's and belongs to every scene.

use std::collections::BTreeSet;

use rusqlite::Connection;

use crate::counts::rows::CountsRowError;
use crate::counts::writer::transaction::{CountsFault, CountsTransaction};
use crate::counts::{EditError, Scene};
use tallycam_base::{Fault, FaultKind};

/// Maps a point of the old picture to the new one.
pub(crate) type Turn<'a> = &'a dyn Fn([f64; 2]) -> [f64; 2];

/// Why a shape changes its place in the picture.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShapeChange {
    /// Measures on the ground belong to the former place, and are forgotten.
    Edited,
    /// The picture was rotated, mirrored or cropped: the place on the ground is the same.
    Turned,
}

/// A row of a table of shapes.
pub(crate) trait ShapeRow: Sized {
    /// The user's values.
    type Draft: Clone + PartialEq;
    /// The word for it in messages.
    const WHAT: &'static str;
    /// Maximum number per scene.
    const MOST: usize;

    /// All stored shapes, pinned ones first, then by number.
    fn load_all(connection: &Connection) -> Result<Vec<Self>, CountsRowError>;
    fn columns(&self) -> ShapeColumns<'_, Self::Draft>;
    fn name(draft: &Self::Draft) -> &str;
    /// The tidied draft, or its mistake.
    fn validate(draft: Self::Draft) -> Result<Self::Draft, EditError>;
    /// Whether users could not tell the two apart.
    fn clash(one: &Self::Draft, other: &Self::Draft) -> bool {
        Self::name(one) == Self::name(other)
    }
    fn turned(draft: &Self::Draft, turn: Turn<'_>, is_mirrored: bool) -> Self::Draft;
    /// Returns the new number.
    fn insert(
        tx: &CountsTransaction<'_>,
        scene: Option<Scene>,
        draft: &Self::Draft,
        pinned: Option<&str>,
    ) -> Result<u64, CountsFault>;
    fn update(
        &self,
        tx: &CountsTransaction<'_>,
        draft: &Self::Draft,
        pinned: Option<&str>,
        why: ShapeChange,
    ) -> Result<(), CountsFault>;
    fn mark_deleted(&self, tx: &CountsTransaction<'_>) -> Result<(), CountsFault>;
    /// Restores a deleted shape.
    fn revive(&self, tx: &CountsTransaction<'_>, draft: &Self::Draft) -> Result<(), CountsFault>;
}

/// The columns that every shape has.
pub(crate) struct ShapeColumns<'a, D> {
    pub id: u64,
    pub version: u64,
    pub scene: Option<Scene>,
    pub draft: &'a D,
    pub pinned: Option<&'a str>,
    pub is_deleted: bool,
}

/// The shape with this number, also a deleted one whose row is kept.
fn load<S: ShapeRow>(connection: &Connection, id: u64) -> Result<S, CountsFault> {
    let found = S::load_all(connection)?.into_iter().find(|shape| shape.columns().id == id);
    found.ok_or(CountsFault::Edit(EditError::Unknown { what: S::WHAT, id }))
}

/// Adds a drawn shape.
pub fn add<S: ShapeRow>(tx: &CountsTransaction<'_>, scene: Scene, draft: S::Draft) -> Result<S, CountsFault> {
    let draft = S::validate(draft)?;
    let shapes = S::load_all(tx.connection)?;
    let others = || shapes.iter().map(S::columns).filter(|other| meets(other, Some(scene)));
    is_free::<S>(others(), &draft)?;
    if others().count() >= S::MOST {
        let words = format!("there are {} {}s already; delete one first", S::MOST, S::WHAT);
        return Err(EditError::invalid_whole(words).into());
    }
    let id = S::insert(tx, Some(scene), &draft, None)?;
    load(tx.connection, id)
}

/// Changes a drawn shape.
pub fn change<S: ShapeRow>(
    tx: &CountsTransaction<'_>,
    id: u64,
    version: Option<u64>,
    draft: S::Draft,
) -> Result<S, CountsFault> {
    let shape: S = load_editable(tx, id, version)?;
    let draft = S::validate(draft)?;
    let columns = shape.columns();
    if draft == *columns.draft {
        return Ok(shape);
    }
    let shapes = S::load_all(tx.connection)?;
    let others = shapes.iter().map(S::columns);
    is_free::<S>(others.filter(|other| other.id != id && meets(other, columns.scene)), &draft)?;
    shape.update(tx, &draft, None, ShapeChange::Edited)?;
    load(tx.connection, id)
}

/// Moves all drawn shapes with `turn`. Returns their number.
pub fn turn<S: ShapeRow>(
    tx: &CountsTransaction<'_>,
    turn: Turn<'_>,
    is_mirrored: bool,
) -> Result<usize, CountsFault> {
    let mut moved = 0;
    for shape in S::load_all(tx.connection)? {
        let columns = shape.columns();
        if !columns.is_deleted && columns.pinned.is_none() {
            let draft = S::validate(S::turned(columns.draft, turn, is_mirrored))?;
            shape.update(tx, &draft, None, ShapeChange::Turned)?;
            moved += 1;
        }
    }
    Ok(moved)
}

/// Deletes a drawn shape.
pub fn delete<S: ShapeRow>(
    tx: &CountsTransaction<'_>,
    id: u64,
    version: Option<u64>,
) -> Result<(), CountsFault> {
    load_editable::<S>(tx, id, version)?.mark_deleted(tx)
}

/// Makes the pinned shapes those of the operator's file. An earlier pinned one with the same name, whose row still
/// exists, is the same shape. One that left the file is deleted. One that clashes with a drawn shape is left out; the
/// results say why.
pub fn pin<S: ShapeRow>(
    tx: &CountsTransaction<'_>,
    pinned: Vec<(S::Draft, String)>,
) -> Result<Vec<EditError>, CountsFault> {
    if pinned.len() > S::MOST {
        let words = format!("there can be {} {}s at most", S::MOST, S::WHAT);
        return Err(EditError::invalid_whole(words).into());
    }
    let shapes = S::load_all(tx.connection)?;
    let (mut names, mut left_out) = (BTreeSet::new(), Vec::new());
    for (draft, origin) in pinned {
        let draft = S::validate(draft)?;
        let name = S::name(&draft).to_owned();
        if !names.insert(name.clone()) {
            return Err(EditError::SameName { what: S::WHAT, name }.into());
        }
        let mut drawn =
            shapes.iter().map(S::columns).filter(|other| !other.is_deleted && other.scene.is_some());
        if drawn.any(|other| S::clash(other.draft, &draft)) {
            let what = format!(
                "the {} {name:?} of {origin} is left out, for one that was drawn is called so",
                S::WHAT
            );
            left_out.push(Fault::new(FaultKind::Taken, what + "; rename or delete that one").into());
            continue;
        }
        let known = shapes.iter().find(|shape| {
            let columns = shape.columns();
            columns.scene.is_none() && S::name(columns.draft) == name
        });
        let Some(shape) = known else {
            S::insert(tx, None, &draft, Some(&origin))?;
            continue;
        };
        let columns = shape.columns();
        if columns.is_deleted {
            shape.revive(tx, &draft)?;
        }
        if columns.is_deleted || *columns.draft != draft || columns.pinned != Some(origin.as_str()) {
            shape.update(tx, &draft, Some(&origin), ShapeChange::Edited)?;
        }
    }
    for shape in &shapes {
        let columns = shape.columns();
        if columns.scene.is_none() && !columns.is_deleted && !names.contains(S::name(columns.draft)) {
            shape.mark_deleted(tx)?;
        }
    }
    Ok(left_out)
}

/// Whether the shape exists and is shown together with shapes in `scene`; `None` is every scene.
fn meets<D>(other: &ShapeColumns<'_, D>, scene: Option<Scene>) -> bool {
    !other.is_deleted && (other.scene.is_none() || scene.is_none() || other.scene == scene)
}

fn is_free<'a, S: ShapeRow + 'a>(
    mut others: impl Iterator<Item = ShapeColumns<'a, S::Draft>>,
    draft: &S::Draft,
) -> Result<(), EditError> {
    if others.any(|other| S::clash(other.draft, draft)) {
        return Err(EditError::SameName { what: S::WHAT, name: S::name(draft).to_owned() });
    }
    Ok(())
}

fn load_editable<S: ShapeRow>(
    tx: &CountsTransaction<'_>,
    id: u64,
    version: Option<u64>,
) -> Result<S, CountsFault> {
    let shape: S = load(tx.connection, id)?;
    let columns = shape.columns();
    if columns.is_deleted {
        return Err(EditError::Unknown { what: S::WHAT, id }.into());
    }
    if let Some(origin) = columns.pinned {
        let name = S::name(columns.draft);
        let what = format!("{name:?} is set in `{origin}` and can be changed only there");
        return Err(EditError::from(Fault::new(FaultKind::Taken, what)).into());
    }
    if version.is_some_and(|version| version != columns.version) {
        return Err(EditError::Changed { what: S::WHAT, id, version: columns.version }.into());
    }
    Ok(shape)
}
