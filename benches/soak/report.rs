//! What was measured, as a table for people and one object for programs.

use std::time::Duration;

use crate::Options;

/// Beside what a small file was released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// Its like, at other banks.
    Small,
    /// A huge one at another bank.
    HugeAtAnother,
    /// A huge one at its own bank, before it.
    HugeAtOwnBank,
}

impl Beside {
    const ALL: [Self; 3] = [Self::Small, Self::HugeAtAnother, Self::HugeAtOwnBank];

    const fn name(self) -> &'static str {
        match self {
            Self::Small => "small_alone",
            Self::HugeAtAnother => "small_beside_huge_at_another_bank",
            Self::HugeAtOwnBank => "small_behind_huge_at_its_bank",
        }
    }
}

/// One wave.
#[derive(Debug)]
pub struct Wave {
    /// The day, from 0.
    pub day: usize,
    /// From the release to rest.
    pub took: Duration,
    /// Files that went out; as many answers came in from the wave before.
    pub files: usize,
    /// Memory of the process behind it.
    pub rss_kib: u64,
    /// Files that it has open.
    pub open_files: usize,
    /// How long each small file took into its bank's folder.
    pub latencies: Vec<(Beside, Duration)>,
}

/// Everything that was measured.
#[derive(Debug)]
pub struct Report {
    head: String,
    waves: Vec<Wave>,
    asked: Vec<Duration>,
    shared: Vec<(String, i64)>,
}

impl Report {
    /// An empty one.
    pub fn new(o: &Options) -> Self {
        let head =
            format!("{} banks x {} files x {} days, small {}, huge {}, {} nodes", o.banks, o.files, o.days, o.small, o.huge, o.nodes);
        Self { head, waves: Vec::new(), asked: Vec::new(), shared: Vec::new() }
    }

    /// A wave is over.
    pub fn wave(&mut self, wave: Wave) {
        self.waves.push(wave);
    }

    /// How long the status took, each time.
    pub fn asked(&mut self, asked: Vec<Duration>) {
        self.asked = asked;
    }

    /// How many files each node sent.
    pub fn shared(&mut self, shared: Vec<(String, i64)>) {
        self.shared = shared;
    }

    /// Median, nineteen in twenty, and the slowest, in milliseconds.
    fn spread(mut of: Vec<Duration>) -> Option<[u128; 3]> {
        of.sort_unstable();
        let at = |share: usize| of.get((of.len() * share / 100).min(of.len().saturating_sub(1))).map(Duration::as_millis);
        Some([at(50)?, at(95)?, at(100)?])
    }

    fn latencies(&self, beside: Beside) -> Option<[u128; 3]> {
        let all = self.waves.iter().flat_map(|w| &w.latencies);
        Self::spread(all.filter(|(b, _)| *b == beside).map(|(_, took)| *took).collect())
    }

    /// The mean of something over the second quarter of the waves, and over the last: the first is warming up.
    fn quarters(&self, of: impl Fn(&Wave) -> f64) -> [f64; 2] {
        let n = self.waves.len();
        let mean = |waves: &[Wave]| waves.iter().map(&of).sum::<f64>() / waves.len().max(1) as f64;
        [mean(&self.waves[n / 4..n / 2]), mean(&self.waves[n - n / 4..])]
    }

    /// Last quarter over second: memory, open files, time of a wave of small files, time of a status.
    fn growth(&self) -> [(&'static str, f64); 4] {
        let ratio = |[early, late]: [f64; 2]| late / early;
        let small: Vec<&Wave> = self.waves.iter().filter(|w| w.latencies.iter().all(|(b, _)| *b == Beside::Small)).collect();
        let mean = |waves: &[&Wave]| waves.iter().map(|w| w.took.as_secs_f64()).sum::<f64>() / waves.len().max(1) as f64;
        let (n, asked) = (small.len(), &self.asked);
        let asks = |of: &[Duration]| of.iter().map(Duration::as_secs_f64).sum::<f64>() / of.len().max(1) as f64;
        let a = asked.len();
        [
            ("memory_growth", ratio(self.quarters(|w| w.rss_kib as f64))),
            ("open_files_growth", ratio(self.quarters(|w| w.open_files as f64))),
            ("time_growth", mean(&small[n - n / 4..]) / mean(&small[n / 4..n / 2])),
            ("status_growth", asks(&asked[a - a / 4..]) / asks(&asked[a / 4..a / 2])),
        ]
    }

    fn peaks(&self) -> (u64, usize) {
        let of = |f: fn(&Wave) -> u64| self.waves.iter().map(f).max().unwrap_or_default();
        (of(|w| w.rss_kib / 1024), self.waves.iter().map(|w| w.open_files).max().unwrap_or_default())
    }

    fn files_per_s(&self) -> f64 {
        let files: usize = self.waves.iter().map(|w| w.files).sum();
        files as f64 / self.waves.iter().map(|w| w.took.as_secs_f64()).sum::<f64>()
    }

    /// Days: files a second, memory at the end.
    fn days(&self) -> Vec<(f64, u64)> {
        let last = self.waves.last().map_or(0, |w| w.day);
        let of = |day: usize| self.waves.iter().filter(move |w| w.day == day);
        (0..=last)
            .map(|day| {
                let time: f64 = of(day).map(|w| w.took.as_secs_f64()).sum();
                (of(day).map(|w| w.files).sum::<usize>() as f64 / time, of(day).next_back().map_or(0, |w| w.rss_kib / 1024))
            })
            .collect()
    }

    /// One object.
    pub fn json(&self) -> String {
        let mut object = serde_json::Map::new();
        object.insert("run".to_owned(), self.head.clone().into());
        object.insert("files_per_s".to_owned(), self.files_per_s().into());
        for beside in Beside::ALL {
            if let Some([median, most, worst]) = self.latencies(beside) {
                object.insert(beside.name().to_owned(), serde_json::json!({ "p50_ms": median, "p95_ms": most, "max_ms": worst }));
            }
        }
        if let Some([median, most, worst]) = Self::spread(self.asked.clone()) {
            object.insert("status".to_owned(), serde_json::json!({ "p50_ms": median, "p95_ms": most, "max_ms": worst }));
        }
        for (name, ratio) in self.growth() {
            object.insert(name.to_owned(), ((ratio * 1000.0).round() / 1000.0).into());
        }
        for (node, files) in &self.shared {
            object.insert(format!("sent_by_{node}"), (*files).into());
        }
        let (memory, files) = self.peaks();
        object.insert("peak_mib".to_owned(), memory.into());
        object.insert("open_files".to_owned(), files.into());
        let days = self.days().into_iter().map(|(rate, mib)| serde_json::json!({ "files_per_s": rate, "mib": mib }));
        object.insert("days".to_owned(), days.collect());
        serde_json::Value::Object(object).to_string()
    }

    /// A table.
    pub fn table(&self) -> String {
        let mut text = format!("{}\n\n{:.1} files a second, each with its answer\n", self.head, self.files_per_s());
        let mut spread = |what: &str, of: Option<[u128; 3]>| {
            if let Some([median, most, worst]) = of {
                text.push_str(&format!("{what:<36}{median:>7} ms  19 in 20 {most:>7} ms  slowest {worst:>7} ms\n"));
            }
        };
        for beside in Beside::ALL {
            spread(beside.name(), self.latencies(beside));
        }
        spread("status", Self::spread(self.asked.clone()));
        for (day, (rate, mib)) in self.days().into_iter().enumerate() {
            text.push_str(&format!("day {:<32}{rate:>7.1} files/s, {mib} MiB at its end\n", day + 1));
        }
        for (node, files) in &self.shared {
            text.push_str(&format!("{:<36}{files:>7} files\n", format!("sent by {node}")));
        }
        let (memory, files) = self.peaks();
        text.push_str(&format!("{:<36}{memory:>7} MiB, {files} open files at most\n", "the process"));
        for (name, ratio) in self.growth() {
            text.push_str(&format!("{name:<36}{ratio:>7.2}   the last quarter over the second\n"));
        }
        text
    }
}
