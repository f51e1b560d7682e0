//! What a database should remember (数据库记忆). A database that came back from a backup, or whose standby was promoted without the
//! last commits, has forgotten what was published, and would publish it again. So each publication is also written down here, on
//! the node that does it, before anything is renamed; and whoever reads this compares it with what the database knows.
//!
//! One JSON object a line, only ever appended. A line that was torn by a crash is none.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// Which database it is: another one is not to be trusted to remember.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The cluster's own number; on SQLite a random one.
    pub system: String,
    /// Goes up with each promotion and each restore to a moment.
    pub timeline: i64,
}

/// One publication: enough to know its payments again when the database does not, and to give no number of it out twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The bank.
    pub bank: String,
    /// The file's number.
    pub file: i64,
    /// Which copy of the file it is; 1 but for what two persons sent again.
    pub copy: i64,
    /// The date for which the bank shall execute.
    pub date: NaiveDate,
    /// Its number on that date.
    pub seq_no: i64,
    /// First and last instruction.
    pub ids: (i64, i64),
    /// What its bytes hash to.
    pub sha256: String,
    /// The batch whose payments it pays, or the refund order.
    pub batch: String,
    /// Which rows of the batch, as ranges in the order of its lines; of a refund order row 1.
    pub rows: Vec<(i64, i64)>,
    /// Its path under the bank's inbox.
    pub path: String,
}

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The database that was trusted.
    pub database: Identity,
    /// What was published by its word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<Published>,
}

/// What the journal holds, or its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// The database that was last trusted.
    pub identity: Option<Identity>,
    /// Publications, the last one last.
    pub published: Vec<Published>,
}

/// How far a database had come when this node last looked. Its events only grow in number: one that has fewer went back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The database.
    pub database: Identity,
    /// Its last event.
    pub event: i64,
    /// The node.
    #[serde(default)]
    pub node: String,
    /// How often this node has begun to look at it, by its own table.
    #[serde(default)]
    pub looks: i64,
}

/// A node that takes part, by the database's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeLook {
    /// Its name.
    pub node: String,
    /// How often it has begun to look.
    pub looks: i64,
    /// The start of the server at which it looked last.
    pub server: i64,
    /// When it first looked at that one.
    pub looked_at: Timestamp,
    /// Whether it said after that that it stops.
    pub is_away: bool,
}

impl NodeLook {
    /// What makes it the same absence.
    #[must_use]
    pub fn absence(&self) -> String {
        format!("unseen:{}:{}", self.node, self.looks)
    }

    /// Whether it has not looked at what a server remembers that was started at this moment. That it stopped is no excuse: a copy
    /// of a day when it did may have forgotten that it began again.
    #[must_use]
    pub const fn is_awaited(&self, server: i64) -> bool {
        self.server != server
    }
}

impl Published {
    /// How many payments it has.
    #[must_use]
    pub fn count(&self) -> i64 {
        self.rows.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// Whether it paid this row of this batch.
    #[must_use]
    pub fn pays(&self, batch: &str, row: i64) -> bool {
        self.batch == batch && self.rows.iter().any(|(first, last)| (*first..=*last).contains(&row))
    }
}

impl Memory {
    /// Reads a journal. What is not a whole line of ours is passed over: a torn one was never acted on.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut memory = Self::default();
        let whole = text.rfind('\n').map_or("", |end| text.get(..end).unwrap_or_default());
        for line in whole.lines() {
            let Ok(line) = serde_json::from_str::<Line>(line) else { continue };
            memory.identity = Some(line.database);
            memory.published.extend(line.published);
        }
        memory
    }

    /// Why publishing must stop, with a key that is the same as long as the reason is. `seen` and `head` say how far the database
    /// had come when this node last looked, and how far it has come now: neither events nor looks of this node become fewer.
    #[must_use]
    pub fn doubts(&self, (seen, head): (Option<&Head>, &Head), forgotten: &[Published]) -> Vec<Doubt> {
        let mut doubts = Vec::new();
        let (now, node) = (&head.database, &head.node);
        if self.identity.as_ref().is_some_and(|then| then != now) {
            doubts.push(Doubt::OtherDatabase { key: format!("database:{}/{}", now.system, now.timeline) });
        }
        let went_back = |seen: &&Head| seen.event > head.event || (seen.node == *node && seen.looks > head.looks);
        if let Some(seen) = seen.filter(|seen| seen.database == *now).filter(went_back) {
            let key = format!("back:{node}:{}:{}:{}:{}", seen.event, head.event, seen.looks, head.looks);
            doubts.push(Doubt::WentBack { key, events: (seen.event - head.event).max(0) });
        }
        if let Some(last) = forgotten.last() {
            let key = format!("behind:{node}:{}:{}:{}", last.file, last.copy, last.sha256.get(..12).unwrap_or_default());
            doubts.push(Doubt::Behind { key });
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
    /// It had come further before: it was restored under us.
    WentBack {
        /// What makes it the same doubt.
        key: String,
        /// How many events it lacks at least; 0 where all that is known to be missing is a look of this node.
        events: i64,
    },
    /// It does not know what was published.
    Behind {
        /// What makes it the same doubt.
        key: String,
    },
    /// The server was started anew, and a node has not looked at what it remembers: it alone may know better.
    Unseen {
        /// What makes it the same doubt.
        key: String,
        /// The node.
        node: String,
        /// Whether it said that it stops.
        is_away: bool,
    },
}

impl Doubt {
    /// What makes it the same doubt.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::OtherDatabase { key } | Self::WentBack { key, .. } | Self::Behind { key } | Self::Unseen { key, .. } => key,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(file: i64) -> Published {
        Published {
            bank: "B01".into(),
            file,
            copy: 1,
            date: NaiveDate::from_ymd_opt(2019, 3, 14).unwrap(),
            seq_no: file,
            ids: (file * 10, file * 10 + 3),
            sha256: "ab".repeat(32),
            batch: "N \"1\"".into(),
            rows: vec![(1, 3), (7, 7)],
            path: format!("20190314/A {file}.TXT"),
        }
    }

    fn of(timeline: i64) -> Identity {
        Identity { system: "7301".into(), timeline }
    }

    fn line(database: Identity, published: Option<Published>) -> String {
        serde_json::to_string(&Line { database, published }).unwrap() + "\n"
    }

    #[test]
    fn what_is_written_is_read_and_a_torn_line_is_none() {
        let text = line(of(3), None) + &line(of(3), Some(published(1))) + &line(of(4), Some(published(2)));
        let memory = Memory::read(&text);
        assert_eq!((memory.identity, memory.published.as_slice()), (Some(of(4)), [published(1), published(2)].as_slice()));
        for cut in 0..text.len() {
            let torn = Memory::read(&text[..cut]);
            assert!(torn.published.iter().all(|p| *p == published(1) || *p == published(2)), "{cut}");
            // Whoever comes next begins on a line of its own.
            let next = Memory::read(&format!("{}\n{}", &text[..cut], line(of(4), Some(published(9)))));
            assert!(next.published.ends_with(&[published(9)]), "{cut}");
        }
    }

    #[test]
    fn rows_are_counted_and_found() {
        let p = published(1);
        assert_eq!(p.count(), 4);
        assert!(p.pays("N \"1\"", 1) && p.pays("N \"1\"", 7) && !p.pays("N \"1\"", 4) && !p.pays("N2", 1));
    }

    #[test]
    fn another_database_a_forgetful_one_and_one_that_went_back_are_doubted() {
        let memory = Memory::read(&line(of(3), Some(published(1))));
        let head = |timeline, event| Head { database: of(timeline), event, node: "a".into(), looks: 2 };
        let began = |looks| Head { looks, ..head(3, 9) };
        assert_eq!(memory.doubts((None, &head(3, 0)), &[]), Vec::new());
        assert!(matches!(&*memory.doubts((None, &head(4, 9)), &[]), [Doubt::OtherDatabase { .. }]));
        assert!(matches!(&*memory.doubts((None, &head(3, 9)), &[published(1)]), [Doubt::Behind { .. }]));
        assert_eq!(memory.doubts((Some(&head(3, 9)), &head(3, 9)), &[]), Vec::new());
        assert!(matches!(&*memory.doubts((Some(&head(3, 9)), &head(3, 7)), &[]), [Doubt::WentBack { events: 2, .. }]));
        assert!(matches!(&*memory.doubts((Some(&head(3, 9)), &head(4, 7)), &[]), [Doubt::OtherDatabase { .. }]), "told once");
        assert!(matches!(&*memory.doubts((Some(&began(3)), &began(2)), &[]), [Doubt::WentBack { events: 0, .. }]));
        assert_eq!(memory.doubts((Some(&began(2)), &began(3)), &[]), Vec::new(), "its note was not written");
        let renamed = Head { node: "b".into(), ..began(3) };
        assert_eq!(memory.doubts((Some(&renamed), &began(2)), &[]), Vec::new(), "a node under another name");
        assert_eq!(Memory::default().doubts((None, &head(4, 0)), &[]), Vec::new(), "a new node knows nothing better");
    }
}
