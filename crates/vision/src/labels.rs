//! Names of a model's classes, and groups of classes that a detector confuses for one object.

use super::detection::Class;

/// The meaning of a group of names for tracking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LabelKind {
    /// People, who may ride.
    Person,
    /// A vehicle that is ridden.
    Ridden,
    /// Any other vehicle.
    Vehicle,
    /// A rider with the vehicle, as one box.
    Rider,
}

/// Names of one meaning, in lower case with spaces. Detectors mix them up: a pick-up is a car and a truck in one frame
/// and the other way round in the next. Within a group one box stands for one object.
const MEANINGS: &[(LabelKind, &[&str])] = &[
    (
        LabelKind::Person,
        &[
            "person",
            "people",
            "pedestrian",
            "human",
            "man",
            "woman",
            "men",
            "women",
            "boy",
            "girl",
            "adult",
            "child",
            "kid",
            "passenger",
            "worker",
            "player",
            "walker",
            "rider",
            "person sitting",
            "person standing",
        ],
    ),
    (
        LabelKind::Vehicle,
        &[
            "car",
            "truck",
            "bus",
            "van",
            "lorry",
            "pickup",
            "pick up",
            "taxi",
            "cab",
            "suv",
            "sedan",
            "hatchback",
            "minivan",
            "minibus",
            "jeep",
            "limousine",
            "ambulance",
            "automobile",
            "vehicle",
            "trailer",
            "pkw",
            "lkw",
            "hgv",
            "lgv",
        ],
    ),
    (
        LabelKind::Ridden,
        &[
            "bicycle",
            "bike",
            "cycle",
            "motorcycle",
            "motorbike",
            "motor",
            "moped",
            "scooter",
            "ebike",
            "e bike",
            "two wheeler",
        ],
    ),
    (LabelKind::Rider, &["cyclist", "bicyclist", "motorcyclist", "biker"]),
    (
        LabelKind::Vehicle,
        &["tricycle", "rickshaw", "auto rickshaw", "autorickshaw", "three wheeler", "tuk tuk"],
    ),
    (LabelKind::Vehicle, &["train", "tram", "streetcar"]),
];

/// The place in [`MEANINGS`] of a name: without case, in singular or plural, or by its last word (police car).
fn meaning(name: &str) -> Option<usize> {
    let words: Vec<String> = name
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    let find = |name: &str| MEANINGS.iter().position(|(_, names)| names.contains(&name));
    let whole = words.join(" ");
    let mut ways = [Some(whole.as_str()), words.last().map(String::as_str)].into_iter().flatten();
    ways.find_map(|name| {
        let singular = ["es", "s"].into_iter().filter_map(|end| name.strip_suffix(end));
        std::iter::once(name).chain(singular).find_map(find)
    })
}

/// A model's list of labels: class 0 is the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    names: Vec<String>,
    /// For each class, the lowest class of its group.
    groups: Vec<u16>,
    /// For each class, its kind, if its name is known.
    kinds: Vec<Option<LabelKind>>,
}

impl Labels {
    /// Labels with these names. Names of one meaning (car, Van, trucks; person, pedestrian) form groups. Names beyond
    /// 65 536 are left out.
    pub fn new<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Labels {
        let names: Vec<String> = names.into_iter().take(1 << 16).map(Into::into).collect();
        let meanings: Vec<Option<usize>> = names.iter().map(|name| meaning(name)).collect();
        let first_alike = |(class, own): (usize, &Option<usize>)| {
            own.and_then(|_| meanings.iter().position(|other| other == own)).unwrap_or(class) as u16
        };
        let groups = meanings.iter().enumerate().map(first_alike).collect();
        let kinds = meanings.iter().map(|own| own.map(|at| MEANINGS[at].0)).collect();
        Labels { names, groups, kinds }
    }

    /// Merges the classes with these names, and their groups, into one group. Ignores names that the model does not
    /// have.
    pub(crate) fn merge_groups(&mut self, names: &[&str]) {
        let members: Vec<Class> = names.iter().filter_map(|name| self.class(name)).collect();
        let groups: Vec<u16> = members.iter().map(|&class| self.group_id(class)).collect();
        let Some(&least) = groups.iter().min() else { return };
        for group in &mut self.groups {
            if groups.contains(group) {
                *group = least;
            }
        }
    }

    /// The class with this name.
    pub fn class(&self, name: &str) -> Option<Class> {
        self.names.iter().position(|own| own == name).map(|at| Class(at as u16))
    }

    /// The name of a class; `None` beyond the list.
    pub fn name(&self, class: Class) -> Option<&str> {
        self.names.get(usize::from(class.0)).map(String::as_str)
    }

    /// The group of a class, as a number shared by the whole group.
    pub fn group_id(&self, class: Class) -> u16 {
        self.groups.get(usize::from(class.0)).copied().unwrap_or(class.0)
    }

    fn kind(&self, class: Class) -> Option<LabelKind> {
        self.kinds.get(usize::from(class.0)).copied().flatten()
    }

    /// True if the classes are of different groups and can be a rider and a vehicle that is ridden.
    pub(crate) fn can_ride(&self, one: Class, other: Class) -> bool {
        let rides = |class| {
            matches!(self.kind(class), Some(LabelKind::Person | LabelKind::Ridden | LabelKind::Rider))
        };
        self.group_id(one) != self.group_id(other) && rides(one) && rides(other)
    }

    /// True for a class of people.
    pub(crate) fn is_person(&self, class: Class) -> bool {
        self.kind(class) == Some(LabelKind::Person)
    }

    /// True for a vehicle's class. Relative to their size vehicles are faster than pedestrians, and they grow quickly
    /// as they approach.
    pub(crate) fn is_vehicle(&self, class: Class) -> bool {
        matches!(self.kind(class), Some(LabelKind::Vehicle | LabelKind::Ridden))
    }

    /// True for a vehicle that may show as several boxes, one within another: a lorry and its cab.
    pub(crate) fn has_parts(&self, class: Class) -> bool {
        self.kind(class) == Some(LabelKind::Vehicle)
    }

    /// The names of each group of several classes, in order.
    pub fn groups(&self) -> Vec<Vec<&str>> {
        let of = |group: usize| {
            let names = self.groups.iter().zip(&self.names).filter(|(own, _)| usize::from(**own) == group);
            names.map(|(_, name)| name.as_str()).collect::<Vec<_>>()
        };
        (0..self.names.len()).map(of).filter(|names| names.len() > 1).collect()
    }

    /// All names in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similar_vehicles_share_a_group() {
        let labels = Labels::new(["person", "bicycle", "car", "motorcycle", "truck"]);
        let group = |name| labels.group_id(labels.class(name).unwrap());
        assert_eq!(group("car"), group("truck"));
        assert_eq!(group("bicycle"), group("motorcycle"));
        let are_vehicles: Vec<bool> = (0..5).map(|class| labels.is_vehicle(Class(class))).collect();
        assert_eq!(are_vehicles, [false, true, true, true, true]);
        assert_ne!(group("person"), group("car"));
        assert_ne!(group("bicycle"), group("car"));
        assert_eq!(labels.name(Class(2)), Some("car"));
        assert_eq!(labels.name(Class(9)), None);
        assert_eq!(labels.group_id(Class(9)), 9, "a class without name is a group of its own");
        assert_eq!(labels.class("dog"), None);
    }

    #[test]
    fn names_of_one_meaning_share_a_group() {
        for (one, other) in [
            ("car", "Van"),
            ("Truck", "lorry"),
            ("police_car", "BUSES"),
            ("pick-up", "Pickup Truck"),
            ("pedestrian", "people"),
            ("Person_sitting", "Rider"),
            ("motor", "bikes"),
            ("awning-tricycle", "tricycle"),
        ] {
            let labels = Labels::new([one, other]);
            assert_eq!(labels.groups(), [[one, other]]);
        }
        for (one, other) in
            [("car", "person"), ("car", "carrot"), ("bus", "bicycle"), ("cat", "dog"), ("", "-")]
        {
            assert_eq!(Labels::new([one, other]).groups(), [[""; 2]; 0], "{one} {other}");
        }
        let labels = Labels::new(["Pedestrian", "Cyclist", "motor", "Car"]);
        let can_ride = |one, other| labels.can_ride(Class(one), Class(other));
        assert!(can_ride(0, 1) && can_ride(0, 2) && can_ride(1, 2) && !can_ride(0, 3));
    }

    #[test]
    fn groups_can_be_joined() {
        let mut labels = Labels::new(["car", "truck", "bicycle", "motorcycle", "van"]);
        labels.merge_groups(&["van", "truck", "tram"]);
        assert_eq!(labels.group_id(Class(4)), labels.group_id(Class(0)));
        labels.merge_groups(&["bicycle", "van"]);
        let all: Vec<u16> = (0..5).map(|class| labels.group_id(Class(class))).collect();
        assert_eq!(all, [0; 5]);
    }
}
