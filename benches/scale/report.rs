//! What was measured, as a table for people and one object for programs.

use std::time::Duration;

use crate::floor::{Floors, Place, Python, Wire};
use crate::product::Timed;
use crate::{Engine, Options};

/// How far two runs of the same code may lie apart.
const DRIFT: f64 = 1.3;

/// Everything that a run measured.
#[derive(Debug)]
pub struct Report {
    payments: usize,
    engine: Engine,
    legs: Vec<(String, Vec<Timed>, Option<u64>)>,
    size: Option<u64>,
    floors: Option<Floors>,
    python: Option<Python>,
    wires: Vec<Wire>,
}

impl Report {
    /// An empty one.
    pub const fn new(options: &Options) -> Self {
        Self {
            payments: options.payments,
            engine: options.engine,
            legs: Vec::new(),
            size: None,
            floors: None,
            python: None,
            wires: Vec::new(),
        }
    }

    /// A leg of the product, with what it wrote to the log.
    pub fn leg(&mut self, name: &str, stages: Vec<Timed>, wal: Option<u64>) {
        self.legs.push((name.to_owned(), stages, wal));
    }

    /// How many bytes the database is at the end, with the list that it began with.
    pub fn size(&mut self, bytes: u64) {
        self.size = Some(bytes);
    }

    /// The bare work.
    pub fn floors(&mut self, floors: Floors) {
        self.floors = Some(floors);
    }

    /// The script.
    pub fn python(&mut self, python: Python) {
        self.python = Some(python);
    }

    /// The wire alone.
    pub fn wire(&mut self, wire: Wire) {
        self.wires.push(wire);
    }

    fn sum(&self, stages: &[&str]) -> f64 {
        let all = self.legs.iter().flat_map(|(_, timed, _)| timed);
        all.filter(|t| stages.contains(&t.stage.as_str())).map(|t| t.time().as_secs_f64()).sum()
    }

    fn outbound(&self) -> f64 {
        self.sum(&["admit", "plan", "seal", "publish"])
    }

    fn inbound(&self) -> f64 {
        self.sum(&["collect", "stage", "apply"])
    }

    /// The most that a process of the product's ever held, in MiB, over the legs of a payment's way out and back.
    fn peak_mib(&self) -> f64 {
        let legs = self.legs.iter().filter(|(name, _, _)| name != "after");
        legs.flat_map(|(_, timed, _)| timed).map(|t| t.peak_kib as f64 / 1024.0).fold(0.0, f64::max)
    }

    fn ratios(&self) -> Vec<(&'static str, Option<f64>, &'static str)> {
        let floors = self.floors.as_ref();
        let floor = |of: fn(&Floors) -> [Duration; 3]| floors.map(|f| of(f).iter().map(Duration::as_secs_f64).sum::<f64>());
        let out_floor = floor(|f| [f.copy_to, f.copy_from, f.sftp_put]);
        let in_floor = floor(|f| [f.sftp_get, f.copy_results, Duration::ZERO]);
        let script = self.python.as_ref().map(|p| (p.out + p.back).as_secs_f64());
        let slower = |place: Place| {
            let wire = self.wires.iter().find(|w| w.place == place)?;
            wire.ours.iter().zip(&wire.theirs).map(|(ours, theirs)| ours.as_secs_f64() / theirs.as_secs_f64()).reduce(f64::max)
        };
        vec![
            ("outbound_ratio", out_floor.map(|f| self.outbound() / f), "admit to publish, over COPY TO + COPY FROM + sftp put; at most 2"),
            (
                "inbound_ratio",
                in_floor.map(|f| self.inbound() / f),
                "collect to apply, over sftp get + COPY FROM of the results; at most 2",
            ),
            (
                "python_ratio",
                script.map(|s| s / (self.outbound() + self.inbound())),
                "the bare script, over all of the product's way; at least 2",
            ),
            ("sftp_ratio", slower(Place::Near), "our SFTP over OpenSSH's, the worse way; at most 1.1"),
            ("far_ratio", slower(Place::Far), "the same to a bank that is 50 ms away; at most 1.1"),
        ]
    }

    /// What the tree keeps of a run of this engine and size: ratios, for times are another machine's.
    fn baseline(&self) -> Option<serde_json::Value> {
        let kept: serde_json::Value = serde_json::from_str(include_str!("baseline.json")).unwrap();
        kept.get(format!("{:?}", self.engine).to_lowercase())?.get(self.payments.to_string()).cloned()
    }

    /// Ratios that are worse than the tree's by more than the machine drifts within a day.
    pub fn regressions(&self) -> Vec<String> {
        let Some(baseline) = self.baseline() else { return Vec::new() };
        let worse = |(name, ratio, _): (&str, Option<f64>, &str)| {
            let (now, then) = (ratio?, baseline.get(name)?.as_f64()?);
            // Of the script we want to be many times as fast; of the floors, few times as slow.
            let is_worse = if name == "python_ratio" { now * DRIFT < then } else { now > then * DRIFT };
            is_worse.then(|| format!("{name}: {now:.2}, and the tree keeps {then:.2}"))
        };
        self.ratios().into_iter().filter_map(worse).collect()
    }

    /// One object.
    pub fn json(&self) -> String {
        let mut object = serde_json::Map::new();
        object.insert("payments".to_owned(), self.payments.into());
        object.insert("engine".to_owned(), format!("{:?}", self.engine).to_lowercase().into());
        for (name, ratio, _) in self.ratios() {
            object.insert(name.to_owned(), ratio.map(|r| (r * 1000.0).round() / 1000.0).into());
        }
        object.insert("peak_mib".to_owned(), self.peak_mib().round().into());
        let wal: Option<u64> = self.legs.iter().map(|(_, _, wal)| *wal).sum();
        object.insert("wal_bytes_per_payment".to_owned(), wal.map(|w| w / self.payments as u64).into());
        object.insert("database_bytes_per_payment".to_owned(), self.size.map(|s| s / self.payments as u64).into());
        let stages = self.legs.iter().flat_map(|(leg, timed, _)| {
            timed.iter().map(move |t| {
                serde_json::json!({ "leg": leg, "stage": t.stage, "seconds": t.time().as_secs_f64(),
                    "rows_per_s": (self.payments as f64 / t.time().as_secs_f64()).round(), "peak_mib": (t.peak_kib as f64 / 1024.0).round(),
                    "cpu_s": { "product": t.cpu_millis[0] as f64 / 1000.0, "database": t.cpu_millis[1] as f64 / 1000.0,
                        "bank": t.cpu_millis[2] as f64 / 1000.0 } })
            })
        });
        object.insert("stages".to_owned(), stages.collect());
        if let Some(f) = &self.floors {
            let s = |d: Duration| d.as_secs_f64();
            object.insert(
                "floors".to_owned(),
                serde_json::json!({ "copy_to": s(f.copy_to), "copy_from": s(f.copy_from), "copy_results": s(f.copy_results),
                    "sftp_put": s(f.sftp_put), "sftp_get": s(f.sftp_get) }),
            );
        }
        let wires = self.wires.iter().map(|w| {
            let s = |times: [Duration; 2]| times.map(|d| d.as_secs_f64());
            serde_json::json!({ "place": format!("{:?}", w.place).to_lowercase(), "mib": w.mib, "ours": s(w.ours), "openssh": s(w.theirs) })
        });
        object.insert("wires".to_owned(), wires.collect());
        if let Some(p) = &self.python {
            object.insert("python".to_owned(), serde_json::json!({ "out": p.out.as_secs_f64(), "back": p.back.as_secs_f64() }));
        }
        serde_json::Value::Object(object).to_string()
    }

    /// The stages of the leg that came last: a long run that breaks off at a floor has told them.
    pub fn latest(&self) -> String {
        self.legs.last().map_or_else(String::new, |leg| self.stages(leg))
    }

    fn stages(&self, (leg, stages, wal): &(String, Vec<Timed>, Option<u64>)) -> String {
        let mut text = String::new();
        for stage in stages {
            let [own, database, bank] = stage.cpu_millis.map(|ms| ms as f64 / 1000.0);
            let more = format!("peak {} MiB, processor {own:.1} s, database's {database:.1}, bank's {bank:.1}", stage.peak_kib / 1024);
            text.push_str(&self.line(&format!("{leg}: {}", stage.stage), stage.time(), &more));
        }
        if let Some(wal) = wal {
            let (time, more) = (stages.iter().map(Timed::time).sum(), format!("WAL {} bytes a payment", wal / self.payments as u64));
            text.push_str(&self.line(&format!("{leg}: in all"), time, &more));
        }
        text
    }

    fn line(&self, what: &str, time: Duration, more: &str) -> String {
        let rate = self.payments as f64 / time.as_secs_f64() / 1000.0;
        format!("{what:<34}{:>9.2} s {rate:>9.0} krows/s {more}\n", time.as_secs_f64())
    }

    /// A table.
    pub fn table(&self) -> String {
        let mut text = format!("{} payments, {:?}\n\n", self.payments, self.engine);
        self.legs.iter().for_each(|leg| text.push_str(&self.stages(leg)));
        let mut line = |what: &str, time: Duration, more: &str| text.push_str(&self.line(what, time, more));
        if let Some(f) = &self.floors {
            for (what, time) in [
                ("floor: COPY TO", f.copy_to),
                ("floor: COPY FROM", f.copy_from),
                ("floor: COPY FROM of results", f.copy_results),
                ("floor: sftp put", f.sftp_put),
                ("floor: sftp get", f.sftp_get),
            ] {
                line(what, time, "");
            }
        }
        if let Some(p) = &self.python {
            line("script: out", p.out, "");
            line("script: back", p.back, "");
        }
        for w in &self.wires {
            let rates = [w.ours, w.theirs].map(|times| times.map(|time| w.mib as f64 / time.as_secs_f64()));
            let [[up, down], [up_theirs, down_theirs]] = rates;
            text.push_str(&format!(
                "{:<34}{up:>9.0} MiB/s up, {down:.0} down; OpenSSH's {up_theirs:.0} up, {down_theirs:.0} down\n",
                format!("wire: {:?}", w.place).to_lowercase()
            ));
        }
        if let Some(size) = self.size {
            text.push_str(&format!("{:<34}{:>9} bytes a payment\n", "the database at the end", size / self.payments as u64));
        }
        text.push('\n');
        let (baseline, shown) = (self.baseline(), |r: Option<f64>| r.map_or_else(|| "-".to_owned(), |r| format!("{r:.2}")));
        for (name, ratio, what) in self.ratios() {
            let kept = baseline.as_ref().and_then(|b| b.get(name)?.as_f64());
            text.push_str(&format!("{name:<16}{:>8} (kept: {})   {what}\n", shown(ratio), shown(kept)));
        }
        text.push_str(&format!("{:<16}{:>8.0}   the daemon's peak memory in MiB, out and in; at most 64\n", "peak_mib", self.peak_mib()));
        text
    }
}
