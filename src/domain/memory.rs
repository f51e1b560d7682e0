//! What a database should remember (数据库记忆). A database that came back from a backup, or whose standby was promoted without the
//! last commits, has forgotten what was published, and would publish it again. So each publication is also written down here, on
//! the node that does it, before anything is renamed; and whoever reads this compares it with what the database knows.
//!
//! One line each, only ever appended. A line that was torn by a crash is none.

/// Which database it is: another one is not to be trusted to remember.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The cluster's own number; on SQLite a random one.
    pub system: String,
    /// Goes up with each promotion and each restore to a moment.
    pub timeline: i64,
}

/// One publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The bank.
    pub bank: String,
    /// The file's number.
    pub file: i64,
    /// What its bytes hash to.
    pub sha256: String,
    /// Its path under the bank's inbox.
    pub path: String,
}

/// What the journal holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The database that was last trusted.
    pub identity: Option<Identity>,
    /// Publications since two persons last settled what was forgotten.
    pub published: Vec<Published>,
    /// Those before.
    pub settled: Vec<Published>,
}

impl Identity {
    /// Its line.
    #[must_use]
    pub fn line(&self) -> String {
        format!("database {} {}\n", self.system, self.timeline)
    }
}

impl Published {
    /// Its line. The path comes last: it may have spaces.
    #[must_use]
    pub fn line(&self) -> String {
        format!("published {} {} {} {}\n", self.bank, self.file, self.sha256, self.path)
    }
}

/// What two persons settled lies before this line.
pub const SETTLED_LINE: &str = "settled\n";

impl Memory {
    /// Reads a journal. What is not a whole line of ours is passed over: a torn one was never acted on.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut memory = Self::default();
        let whole = text.rfind('\n').map_or("", |end| text.get(..end).unwrap_or_default());
        for line in whole.lines() {
            let mut words = line.splitn(5, ' ');
            match (words.next(), words.next(), words.next(), words.next(), words.next()) {
                (Some("settled"), None, ..) => memory.settled.append(&mut memory.published),
                (Some("database"), Some(system), Some(timeline), None, _) => {
                    if let Ok(timeline) = timeline.parse() {
                        memory.identity = Some(Identity { system: system.to_owned(), timeline });
                    }
                }
                (Some("published"), Some(bank), Some(file), Some(sha256), Some(path)) => {
                    if let Ok(file) = file.parse() {
                        let (bank, sha256, path) = (bank.to_owned(), sha256.to_owned(), path.to_owned());
                        memory.published.push(Published { bank, file, sha256, path });
                    }
                }
                _ => {}
            }
        }
        memory
    }

    /// Whether a file went out with these bytes, or under this path where a path is given once, as far as this node knows. Asked
    /// before the intent of a file of which the database says that it was never out.
    #[must_use]
    pub fn gave_out(&self, bank: &str, path: Option<&str>, sha256: &str) -> bool {
        let is_it = |p: &Published| p.bank == bank && (p.sha256 == sha256 || path.is_some_and(|path| p.path == path));
        self.settled.iter().chain(&self.published).any(is_it)
    }

    /// Why publishing must stop, with a key that is the same as long as the reason is.
    #[must_use]
    pub fn doubts(&self, node: &str, now: &Identity, forgotten: &[Published]) -> Vec<Doubt> {
        let mut doubts = Vec::new();
        if self.identity.as_ref().is_some_and(|then| then != now) {
            doubts.push(Doubt::OtherDatabase { key: format!("database:{}/{}", now.system, now.timeline) });
        }
        if let Some(last) = forgotten.last() {
            let key = format!("behind:{node}:{}:{}", last.file, last.sha256.get(..12).unwrap_or_default());
            doubts.push(Doubt::Behind { key, forgotten: forgotten.to_vec() });
        }
        doubts
    }
}

/// Why the database is not trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Its number or its timeline changed.
    OtherDatabase {
        /// What makes it the same doubt.
        key: String,
    },
    /// It does not know what was published.
    Behind {
        /// What makes it the same doubt.
        key: String,
        /// What it does not know.
        forgotten: Vec<Published>,
    },
}

impl Doubt {
    /// What makes it the same doubt.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::OtherDatabase { key } | Self::Behind { key, .. } => key,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(file: i64) -> Published {
        Published { bank: "B01".into(), file, sha256: "ab".repeat(32), path: format!("20190314/A {file}.TXT") }
    }

    #[test]
    fn what_is_written_is_read_and_a_torn_line_is_none() {
        let identity = Identity { system: "7301".into(), timeline: 3 };
        let text = identity.line() + &published(1).line() + &published(2).line();
        let memory = Memory::read(&text);
        assert_eq!((memory.identity.as_ref(), memory.published.len()), (Some(&identity), 2));
        assert_eq!(memory.published[1], published(2));
        for cut in 0..text.len() {
            let torn = Memory::read(&text[..cut]);
            assert!(torn.published.iter().all(|p| *p == published(1) || *p == published(2)), "{cut}");
            // Whoever comes next begins on a line of its own.
            let next = Memory::read(&format!("{}\n{}", &text[..cut], published(9).line()));
            assert!(next.published.ends_with(&[published(9)]), "{cut}");
        }
    }

    #[test]
    fn another_database_and_a_forgetful_one_are_doubted_until_it_is_settled() {
        let (then, now) = (Identity { system: "7301".into(), timeline: 3 }, Identity { system: "7301".into(), timeline: 4 });
        let text = then.line() + &published(1).line();
        let memory = Memory::read(&text);
        assert_eq!(memory.doubts("a", &then, &[]), Vec::new());
        assert!(matches!(&*memory.doubts("a", &now, &[]), [Doubt::OtherDatabase { .. }]));
        assert!(matches!(&*memory.doubts("a", &then, &[published(1)]), [Doubt::Behind { .. }]));
        assert_eq!(Memory::default().doubts("a", &now, &[]), Vec::new(), "a new node knows nothing better");
        let settled = Memory::read(&(text + SETTLED_LINE + &now.line()));
        assert_eq!((settled.published.len(), settled.settled.len(), settled.identity.as_ref()), (0, 1, Some(&now)));
        assert!(settled.gave_out("B01", Some("20190314/A 1.TXT"), "") && settled.gave_out("B01", None, &published(1).sha256));
        assert!(!settled.gave_out("B02", Some("20190314/A 1.TXT"), "") && !settled.gave_out("B01", None, ""));
    }
}
