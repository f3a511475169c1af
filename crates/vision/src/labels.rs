//! Names of a model's classes, and groups of classes that a detector confuses for one object.

use super::detection::Class;

/// COCO names that small detectors mix up: a pick-up is a car and a truck in one frame and the other way round in the
/// next. Within a group one box stands for one object.
const ALIKE: &[&[&str]] = &[&["car", "truck", "bus"], &["bicycle", "motorcycle"]];

/// Names of riders and of their vehicles. For one rider a detector gives both boxes, or alternates between them.
const RIDING: &[&str] =
    &["person", "pedestrian", "rider", "cyclist", "bicycle", "motorcycle", "bike", "motorbike", "scooter"];

/// Names of vehicles. Relative to their size they are faster than pedestrians, and they grow quickly as they
/// approach.
const VEHICLES: &[&str] = &[
    "bicycle",
    "bike",
    "car",
    "truck",
    "bus",
    "train",
    "motorcycle",
    "motorbike",
    "van",
    "lorry",
    "pickup",
    "taxi",
    "tram",
    "trailer",
    "vehicle",
];

/// A model's list of labels: class 0 is the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    names: Vec<String>,
    /// For each class, the lowest class of its group.
    groups: Vec<u16>,
    /// For each class: it is a rider's, or that of a vehicle which is ridden.
    riding: Vec<bool>,
    /// For each class: it is a vehicle's.
    vehicles: Vec<bool>,
}

impl Labels {
    /// Labels with these names. Similar vehicles (car, truck, bus; bicycle, motorcycle) form groups. Names beyond 65
    /// 536 are left out.
    pub fn new<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Labels {
        let names: Vec<String> = names.into_iter().take(1 << 16).map(Into::into).collect();
        let groups = (0..names.len()).map(|class| class as u16).collect();
        let riding = names.iter().map(|name| RIDING.contains(&name.as_str())).collect();
        let vehicles = names.iter().map(|name| VEHICLES.contains(&name.to_lowercase().as_str())).collect();
        let mut labels = Labels { names, groups, riding, vehicles };
        for group in ALIKE {
            labels.merge_groups(group);
        }
        labels
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

    /// True if the classes are of different groups and can be a rider and a vehicle that is ridden.
    pub(crate) fn can_ride(&self, one: Class, other: Class) -> bool {
        let rides = |class: Class| self.riding.get(usize::from(class.0)) == Some(&true);
        self.group_id(one) != self.group_id(other) && rides(one) && rides(other)
    }

    /// True for a vehicle's class.
    pub(crate) fn is_vehicle(&self, class: Class) -> bool {
        self.vehicles.get(usize::from(class.0)) == Some(&true)
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
    fn groups_can_be_joined() {
        let mut labels = Labels::new(["car", "truck", "bicycle", "motorcycle", "van"]);
        labels.merge_groups(&["van", "truck", "tram"]);
        assert_eq!(labels.group_id(Class(4)), labels.group_id(Class(0)));
        labels.merge_groups(&["bicycle", "van"]);
        let all: Vec<u16> = (0..5).map(|class| labels.group_id(Class(class))).collect();
        assert_eq!(all, [0; 5]);
    }
}
