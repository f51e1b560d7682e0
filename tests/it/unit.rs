//! The systemd unit: hardened, and kept so. What systemd itself cannot judge is checked by reading.

use std::path::{Path, PathBuf};
use std::process::Command;

fn unit() -> (PathBuf, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/bankgate.service");
    let text = std::fs::read_to_string(&path).unwrap();
    (path, text)
}

/// The value of a directive; the last one counts, as for systemd.
fn directive<'a>(unit: &'a str, key: &str) -> Option<&'a str> {
    unit.lines().rev().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
}

/// The figure, times ten, behind "Overall exposure level for NAME:".
fn exposure_tenths(report: &str) -> Option<u32> {
    let figure = report.lines().find_map(|line| line.split_once("Overall exposure level for")?.1.split_once(": "))?.1;
    figure.split_whitespace().next()?.replace('.', "").parse().ok()
}

#[test]
fn the_service_is_exposed_no_more_than_it_must_be() {
    let (path, _) = unit();
    // A machine without systemd still builds and tests; the directives themselves are read below.
    let Ok(output) = Command::new("systemd-analyze").args(["security", "--offline=true", "--no-pager"]).arg(&path).output() else {
        return;
    };
    let report = String::from_utf8_lossy(&output.stdout);
    if report.is_empty() && String::from_utf8_lossy(&output.stderr).contains("unrecognized option") {
        return; // before systemd 250
    }
    let tenths = exposure_tenths(&report).unwrap_or_else(|| panic!("no figure in:\n{report}{}", String::from_utf8_lossy(&output.stderr)));
    assert!(tenths <= 15, "exposure {}.{}; at most 1.5 is wanted:\n{report}", tenths / 10, tenths % 10);
}

#[test]
fn the_figure_is_found_in_a_report() {
    assert_eq!(exposure_tenths("x\n→ Overall exposure level for bankgate.service: 1.2 OK 🙂\n"), Some(12));
    assert_eq!(exposure_tenths("→ Overall exposure level for b.service: 10.0 DANGEROUS\n"), Some(100));
    assert_eq!(exposure_tenths("nothing"), None);
}

#[test]
fn o16_a_daemon_that_cannot_start_does_not_try_for_ever() {
    let (_, unit) = unit();
    let seconds = |key: &str| -> u64 {
        let text = directive(&unit, key).unwrap_or_else(|| panic!("{key} is not set"));
        let (number, scale) = [("min", 60), ("h", 3600), ("s", 1)]
            .into_iter()
            .find_map(|(suffix, scale)| Some((text.strip_suffix(suffix)?, scale)))
            .unwrap_or((text, 1));
        number.parse::<u64>().unwrap() * scale
    };
    let burst: u64 = directive(&unit, "StartLimitBurst").unwrap().parse().unwrap();
    assert!(burst * 3600 / seconds("StartLimitIntervalSec") <= 60, "more than a try a minute");
    assert!(burst * seconds("RestartSec") < seconds("StartLimitIntervalSec"), "the limit would never be reached");
    assert_eq!(directive(&unit, "Restart"), Some("on-failure"));
    assert_eq!(directive(&unit, "Type"), Some("notify"));
    assert!(seconds("WatchdogSec") >= 60);
}

#[test]
fn the_kernel_can_tell_the_daemon_who_calls() {
    let (_, unit) = unit();
    assert_eq!(directive(&unit, "PrivateUsers"), Some("false"), "a user namespace hides the callers of the socket");
    assert!(directive(&unit, "RestrictAddressFamilies").is_some_and(|f| f.split(' ').any(|w| w == "AF_UNIX")));
    assert_eq!(directive(&unit, "User"), Some("bankgate"));
}

#[test]
fn the_units_folders_are_those_of_the_sample_configuration() {
    let (_, unit) = unit();
    let text = include_str!("../../config/bankgate.toml");
    let config = bankgate::config::Config::from_text(text, Path::new("/etc/bankgate/bankgate.toml")).unwrap();
    let states: Vec<_> = directive(&unit, "StateDirectory").unwrap().split(' ').map(|d| Path::new("/var/lib").join(d)).collect();
    assert!(states.contains(&config.node.state_dir) && states.contains(&config.node.archive_dir), "{states:?}");
    let runtime = Path::new("/run").join(directive(&unit, "RuntimeDirectory").unwrap());
    assert_eq!(config.node.socket.parent(), Some(runtime.as_path()));
    assert!(directive(&unit, "ExecStart").unwrap().ends_with("run --config /etc/bankgate/bankgate.toml"));
}
