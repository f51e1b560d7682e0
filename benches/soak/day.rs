//! The days: waves of lists, the banks' answers, the end.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bankgate::clock::Stopwatch;
use bankgate::domain::time::Timestamp;
use bankgate::store::Store;
use chrono::NaiveDate;

use crate::city::{self, List};
use crate::harness::sshd::Sshd;
use crate::report::{Beside, Report, Wave};
use crate::service::Service;
use crate::watch::{Watch, held_by};
use crate::{Options, bank, step};

/// The working days.
const DAYS: [&str; 10] = [
    "2019-03-14",
    "2019-03-15",
    "2019-03-18",
    "2019-03-19",
    "2019-03-20",
    "2019-03-21",
    "2019-03-22",
    "2019-03-25",
    "2019-03-26",
    "2019-03-27",
];
/// Waves come between nine and four.
const BEGINS: &str = "09:00:00";
const HOURS: i64 = 7;
/// One wave in so many has a huge list in it.
const HUGE_EVERY: usize = 10;

/// The days so far.
pub struct Soak<'a> {
    options: &'a Options,
    root: PathBuf,
    store: Store,
    services: Vec<Service>,
    watch: Stopwatch,
    looks: Watch,
    /// The next who is in no list yet.
    next: usize,
    now: Timestamp,
    report: Report,
}

impl<'a> Soak<'a> {
    /// Before the first day.
    pub fn new(options: &'a Options, folder: &Path, store: Store, sshd: &Sshd) -> Self {
        let now = city::at(DAYS[0], "08:30:00");
        let watch = Stopwatch::start();
        let config = |node: u16| folder.join(if node == 1 { "bankgate.toml".to_owned() } else { format!("bankgate-{node}.toml") });
        let looks = Watch::start(watch, &sshd.root, options.banks, &config(1));
        let services = (1..=options.nodes).map(|node| Service::start(&config(node), now)).collect();
        let report = Report::new(options);
        Self { options, root: sshd.root.clone(), store, services, watch, looks, next: 0, now, report }
    }

    /// One day: its waves, and until the last is answered.
    pub async fn day(&mut self, at: usize) {
        let day: NaiveDate = DAYS[at].parse().unwrap();
        let begins = city::at(DAYS[at], BEGINS);
        let between = HOURS * 3_600_000 / i64::try_from(self.options.files).unwrap();
        self.go_on(begins);
        for wave in 0..self.options.files {
            let has_huge = self.options.huge > 0 && wave % HUGE_EVERY == HUGE_EVERY / 2;
            self.release(day, wave, has_huge).await;
            let begun = self.watch.elapsed();
            self.looks.take_seen();
            self.go_on(begins.plus_millis(between * (i64::try_from(wave).unwrap() + 1)));
            let took = self.watch.elapsed().checked_sub(begun).unwrap();
            let latencies = self.latencies(begun, has_huge);
            let files = self.answer(day);
            // A huge list may be more than one file.
            assert!(files >= self.options.banks + usize::from(has_huge), "wave {wave}: {files} files went out");
            let (rss_kib, open_files) = held_by(self.services[0].pid());
            self.report.wave(Wave { day: at, took, files, rss_kib, open_files, latencies });
            if wave % 20 == 0 {
                step(&format!("{} wave {wave}: {:.2} s, {} MiB, {open_files} open files", DAYS[at], took.as_secs_f64(), rss_kib / 1024));
            }
        }
        for _ in 0..3 {
            self.go_on(self.now.plus_minutes(5));
        }
    }

    fn go_on(&mut self, until: Timestamp) {
        self.services.iter_mut().for_each(|service| service.go_on(until));
        self.services.iter_mut().for_each(|service| service.arrive(until));
        self.now = until;
    }

    async fn release(&mut self, day: NaiveDate, wave: usize, has_huge: bool) {
        // The huge one first: what stands behind it is what is asked about.
        let mut lists: Vec<(usize, usize)> = Vec::new();
        if has_huge {
            lists.push((1, self.options.huge));
        }
        lists.extend((1..=self.options.banks).map(|bank| (bank, self.options.small)));
        for (at, (bank, payments)) in lists.into_iter().enumerate() {
            let people = self.next..self.next + payments;
            self.next += payments;
            let list = List { number: format!("{day}-{wave}-{at}"), bank: city::bank_code(bank), people, pay_on: day };
            city::release(&self.store, &list, self.now).await;
        }
    }

    /// When each small file of a wave lay ready.
    fn latencies(&self, begun: Duration, has_huge: bool) -> Vec<(Beside, Duration)> {
        let mut latencies = Vec::new();
        for (path, at) in self.looks.take_seen() {
            // 573 bytes a line: a small one is no larger than its payments, head and foot.
            let is_small = path.metadata().is_ok_and(|m| m.len() < 600 * (u64::try_from(self.options.small).unwrap() + 2));
            if is_small {
                let is_first_bank = path.starts_with(self.root.join(city::BANK));
                let beside = match (has_huge, is_first_bank) {
                    (false, _) => Beside::Small,
                    (true, true) => Beside::HugeAtOwnBank,
                    (true, false) => Beside::HugeAtAnother,
                };
                latencies.push((beside, at.checked_sub(begun).unwrap_or_default()));
            }
        }
        latencies
    }

    /// Every bank takes what is there and answers it.
    fn answer(&self, day: NaiveDate) -> usize {
        let mut taken = 0;
        for bank in (1..=self.options.banks).map(city::bank_code) {
            let mailbox = self.root.join(bank);
            for name in bank::requests(&mailbox) {
                bank::answer_one(&mailbox, &name, &day.format("%Y%m%d").to_string());
                for taken in [mailbox.join("inbox").join(&name), mailbox.join("inbox").join(name.with_extension("dat.ok"))] {
                    std::fs::remove_file(taken).unwrap();
                }
                taken += 1;
            }
        }
        taken
    }

    /// Ends the service; everything must be answered.
    pub async fn end(mut self) -> Report {
        let mut tx = self.store.read().await.unwrap();
        let open = tx.rows("select state, count(*) from file_out where state <> 'answered' group by state", vec![]).await.unwrap();
        assert!(open.is_empty(), "files that are not answered: {open:?}");
        let sql =
            "select split_part(actor, '/', 1), count(*) from event where subject = 'file_out' and what = 'intend' group by 1 order by 1";
        let by = tx.rows(sql, vec![]).await.unwrap();
        self.report.shared(by.iter().map(|r| (r.string(0).unwrap(), r.int(1).unwrap())).collect());
        drop(tx);
        self.services.into_iter().for_each(Service::end);
        self.report.asked(self.looks.end());
        self.store.close().await;
        self.report
    }
}
