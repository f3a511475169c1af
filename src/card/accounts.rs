//! The SSH user's entries in `/etc/passwd`, `/etc/group` and `/etc/shadow`.

/// Lowest user ID of a person (login.defs(5), `UID_MIN`).
const FIRST: u32 = 1000;

/// Highest user ID of a person (`UID_MAX`).
const LAST: u32 = 59_999;

/// The user's groups: become root, read the logs.
const GROUPS: [&str; 3] = ["sudo", "adm", "systemd-journal"];

/// The texts of the three files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accounts {
    /// `/etc/passwd`.
    pub passwd: String,
    /// `/etc/group`.
    pub group: String,
    /// `/etc/shadow`.
    pub shadow: String,
}

/// User and group ID of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ids {
    /// The user ID.
    pub user: u32,
    /// The ID of the user's own group.
    pub group: u32,
}

fn fields(line: &str) -> Vec<&str> {
    line.split(':').collect()
}

/// The IDs of the user `name`.
pub fn ids(passwd: &str, name: &str) -> Option<Ids> {
    passwd.lines().map(fields).find(|fields| fields.first() == Some(&name)).and_then(|fields| {
        Some(Ids { user: fields.get(2)?.parse().ok()?, group: fields.get(3)?.parse().ok()? })
    })
}

/// Whether `name` is a user or group of the system, outside the range of people's IDs.
pub fn is_system(passwd: &str, group: &str, name: &str) -> bool {
    let is_group_of_system = || {
        let group = group.lines().map(fields).find(|fields| fields.first() == Some(&name));
        let number = group.and_then(|fields| fields.get(2)?.parse::<u32>().ok());
        number.is_some_and(|number| !(FIRST..=LAST).contains(&number))
    };
    match ids(passwd, name) {
        Some(ids) => !(FIRST..=LAST).contains(&ids.user),
        None => is_group_of_system(),
    }
}

fn with_final_newline(text: &str) -> String {
    let mut text = text.to_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// An ID that neither `passwd` nor `group` has.
fn free_id(accounts: &Accounts) -> Option<u32> {
    let lines = accounts.passwd.lines().chain(accounts.group.lines());
    let taken: Vec<u32> = lines.filter_map(|line| fields(line).get(2)?.parse().ok()).collect();
    (FIRST..=LAST).find(|number| !taken.contains(number))
}

impl Accounts {
    /// The files with the user `name` added, and the user's IDs. `password` is hashed; without one nobody can sign in
    /// by password. `None` if no ID is free.
    #[must_use]
    pub fn with_user(&self, name: &str, password: Option<&str>, shell: &str) -> Option<(Accounts, Ids)> {
        let (mut passwd, mut group) = (with_final_newline(&self.passwd), with_final_newline(&self.group));
        let ids = match ids(&passwd, name) {
            Some(ids) => ids,
            None => {
                let number = free_id(self)?;
                let of_name = group.lines().map(fields).find(|fields| fields.first() == Some(&name));
                let own = of_name.and_then(|fields| fields.get(2)?.parse().ok());
                if own.is_none() {
                    group.push_str(&format!("{name}:x:{number}:\n"));
                }
                let ids = Ids { user: number, group: own.unwrap_or(number) };
                passwd.push_str(&format!("{name}:x:{number}:{}::/home/{name}:{shell}\n", ids.group));
                ids
            }
        };
        let joined = |line: &str| {
            let mut fields = fields(line);
            let is_wanted = fields.first().is_some_and(|group| GROUPS.contains(group));
            let members = fields.get(3).copied().unwrap_or_default();
            if !is_wanted || fields.len() != 4 || members.split(',').any(|member| member == name) {
                return format!("{line}\n");
            }
            let members = if members.is_empty() { name.to_owned() } else { format!("{members},{name}") };
            fields[3] = &members;
            format!("{}\n", fields.join(":"))
        };
        let group = group.lines().map(joined).collect();
        let is_other = |line: &&str| fields(line).first() != Some(&name);
        let mut shadow: String =
            self.shadow.lines().filter(is_other).map(|line| format!("{line}\n")).collect();
        shadow.push_str(&format!("{name}:{}:::::::\n", password.unwrap_or("*")));
        Some((Accounts { passwd, group, shadow }, ids))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn debian() -> Accounts {
        Accounts {
            passwd: "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n\
                     tallycam:x:997:997::/:/usr/sbin/nologin"
                .into(),
            group: "root:x:0:\nadm:x:4:syslog\nsudo:x:27:\nvideo:x:44:tallycam\nusers:x:1000:\n".into(),
            shadow: "root:*:19000:0:99999:7:::\n".into(),
        }
    }

    #[test]
    fn a_user_is_added_once() {
        let (with, ids) = debian().with_user("alice", None, "/bin/bash").unwrap();
        assert_eq!(ids, Ids { user: 1001, group: 1001 }, "1000 is a group's");
        assert!(
            with.passwd.ends_with("nologin\nalice:x:1001:1001::/home/alice:/bin/bash\n"),
            "{}",
            with.passwd
        );
        assert!(with.group.contains("\nadm:x:4:syslog,alice\nsudo:x:27:alice\nvideo:x:44:tallycam\n"));
        assert!(with.group.ends_with("alice:x:1001:\n"));
        assert_eq!(with.shadow, "root:*:19000:0:99999:7:::\nalice:*:::::::\n");
        let (again, same) = with.with_user("alice", Some("$y$j9T$a$b"), "/bin/sh").unwrap();
        assert_eq!((same, &again.passwd, &again.group), (ids, &with.passwd, &with.group));
        assert_eq!(again.shadow, "root:*:19000:0:99999:7:::\nalice:$y$j9T$a$b:::::::\n");
    }

    #[test]
    fn the_systems_users_and_groups_are_reported() {
        let Accounts { passwd, group, .. } = debian();
        for (name, is) in [
            ("root", true),
            ("tallycam", true),
            ("nobody", true),
            ("sudo", true),
            ("users", false),
            ("alice", false),
        ] {
            assert_eq!(is_system(&passwd, &group, name), is, "{name}");
        }
    }
}
