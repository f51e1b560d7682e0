//! Publishing, take-over and recovery, model-checked: two nodes, pauses and crashes anywhere, replies that are lost, a bank that
//! takes at any moment, in every interleaving to the end. The transitions are the product's own; each weakening puts one weaker
//! function in its place, and must be found out. Names begin with the counterexample of an earlier draft that stays closed.

/// The world that is explored.
mod protocol;

use bankgate::domain::file::{Evidence, FileOutState};
use bankgate::domain::publishing::{Act, Part, Piece, Recovery, Standing, taken_back};
use stateright::{Checker as _, HasDiscoveries, Model as _};

use self::protocol::{Protocol, Rules};
use crate::harness::say;

/// Explores everything, to the end. Where a property does not hold, says the steps that lead there.
fn safe(what: &str, protocol: Protocol) {
    let checker = protocol.checker().threads(2).spawn_bfs().join();
    let broken: Vec<_> = checker.discoveries().into_iter().filter(|(name, _)| *name != "sent").collect();
    if let Some((name, path)) = broken.first() {
        let steps: Vec<String> = path.clone().into_actions().iter().map(|step| format!("{step:?}")).collect();
        panic!("{what}: {name}:\n  {}", steps.join("\n  "));
    }
    assert!(checker.is_done(), "explored to the end");
    assert!(checker.discovery("sent").is_some(), "{what}: nothing ever goes out");
    say(&format!("model: {what}: {} states, depth {}", checker.unique_state_count(), checker.max_depth()));
}

/// This weakening is found out by this property.
fn unsafe_by(property: &'static str, protocol: Protocol) {
    let found = HasDiscoveries::AllOf([property].into());
    let checker = protocol.checker().threads(2).finish_when(found).spawn_bfs().join();
    let steps =
        checker.discovery(property).unwrap_or_else(|| panic!("not found in {} states", checker.unique_state_count())).into_actions();
    say(&format!("model: {property}: broken in {} steps", steps.len()));
}

fn weaker(change: impl FnOnce(&mut Rules)) -> Rules {
    let mut rules = Rules::product();
    change(&mut rules);
    rules
}

fn two_step(p: Protocol) -> Protocol {
    Protocol { is_atomic: false, is_said_atomic: false, overwrites: true, ..p }
}

/// The part that a run of this fence would have written first.
fn own_part(piece: Piece, fence: i64) -> String {
    bankgate::domain::publishing::part_name(if piece == Piece::Data { "F" } else { "F.ok" }, fence, (1, 1))
}

const TWICE: &str = "published at most once";
const NEVER: &str = "what is recorded as sent is out";
const HALF: &str = "never half a file";

#[test]
fn every_interleaving_of_a_rename_is_safe() {
    for (overwrites, is_exclusive) in [(false, true), (true, false)] {
        let what = format!("rename, overwriting {overwrites}, exclusive {is_exclusive}");
        safe(&what, Protocol { overwrites, is_exclusive, ..Protocol::rename() });
    }
}

#[test]
fn every_interleaving_of_a_rename_and_a_flag_is_safe() {
    safe("rename and flag, overwriting", Protocol { overwrites: true, is_exclusive: false, ..Protocol::flag() });
}

#[test]
fn every_interleaving_is_safe_where_a_rename_is_two_steps() {
    safe("two-step rename, overwriting", two_step(Protocol::rename()));
    safe("two-step rename and flag, overwriting", two_step(Protocol::flag()));
}

#[test]
fn p3_every_interleaving_of_a_flag_in_place_is_safe() {
    safe("flag in place", Protocol { in_place: true, ..Protocol::flag() });
}

#[test]
fn p1_without_the_parts_name_in_the_row_it_is_published_twice_or_never() {
    let own = weaker(|r| r.source = |_, piece, fence, _| own_part(piece, fence));
    unsafe_by(NEVER, Protocol { rules: own, ..Protocol::rename() });
    let any = weaker(|r| {
        r.source = |_, piece, _, server| {
            let is_flag = piece == Piece::Flag;
            server.keys().find(|name| name.ends_with(".part") && name.starts_with("F.ok") == is_flag).cloned().unwrap_or_default()
        };
    });
    unsafe_by(TWICE, Protocol { rules: any, ..Protocol::rename() });
}

#[test]
fn p1_without_the_intent_it_is_published_twice() {
    let rules = weaker(|r| r.acts = |_, _| &[Act::Upload(Piece::Data), Act::ProveAbsent, Act::Rename(Piece::Data), Act::Record]);
    unsafe_by(TWICE, Protocol { rules, ..Protocol::rename() });
}

#[test]
fn p1_where_an_intended_file_may_be_uploaded_again_it_is_published_twice() {
    let rules = weaker(|r| {
        r.intended =
            |row, hold, attempt, parts| row.intended(hold, attempt, parts).map(|row| Standing { state: FileOutState::Uploading, ..row });
    });
    unsafe_by(TWICE, Protocol { rules, ..Protocol::rename() });
}

#[test]
fn p8_without_the_fence_it_is_recorded_and_never_out() {
    let rules = weaker(|r| {
        r.intended = |row, hold, _, parts| {
            let blind = bankgate::domain::publishing::Hold { fence: row.fence, is_held: true };
            row.intended(blind, row.attempt, parts).filter(|_| hold.fence > 0)
        };
    });
    unsafe_by(NEVER, Protocol { rules, ..Protocol::rename() });
}

#[test]
fn p8_where_only_the_rows_fence_is_asked_and_not_the_lease_a_sweep_takes_the_part_away() {
    let rules = weaker(|r| {
        r.intended = |row, hold, attempt, parts| row.intended(bankgate::domain::publishing::Hold { is_held: true, ..hold }, attempt, parts);
    });
    unsafe_by(NEVER, Protocol { rules, ..Protocol::rename() });
}

#[test]
fn p8_where_a_sweep_takes_the_rows_own_part_it_is_recorded_and_never_out() {
    let rules = weaker(|r| r.condemns = |_, _, part, (_, own_fence)| part.fence < own_fence);
    unsafe_by(NEVER, Protocol { rules, ..Protocol::rename() });
}

#[test]
fn p2_where_the_final_name_is_looked_at_first_the_flag_is_never_set() {
    let rules = weaker(|r| {
        r.verdict = |look, is_atomic| {
            if look.data == Some(look.bytes) { Recovery::Out(Evidence::Seen) } else { look.after_rename(is_atomic) }
        };
    });
    unsafe_by(NEVER, Protocol { rules, ..Protocol::flag() });
}

#[test]
fn p4_where_a_rename_of_two_steps_is_said_to_be_one_it_is_published_twice() {
    unsafe_by(TWICE, Protocol { is_atomic: false, is_said_atomic: true, ..Protocol::rename() });
}

#[test]
fn p5_a_database_that_forgets_its_last_commit_publishes_twice_unless_it_is_noticed() {
    unsafe_by(TWICE, Protocol { rules: weaker(|r| r.is_guarded = false), fails_over: true, ..Protocol::rename() });
    safe("a failover, guarded", Protocol { fails_over: true, grants: 2, ..Protocol::rename() });
}

/// The first file may be given up by the bank's word, and its payments go out in another under its name.
fn given_up(p: Protocol) -> Protocol {
    Protocol { gives_up: true, writes_late: false, grants: 2, ..p }
}

#[test]
fn every_interleaving_is_safe_where_a_file_is_given_up_and_its_payments_go_out_in_another() {
    for (what, world) in [
        ("rename", Protocol { renames_late: true, overwrites: true, is_exclusive: false, ..Protocol::rename() }),
        ("rename and flag", Protocol { renames_late: true, overwrites: true, is_exclusive: false, attempts: 1, ..Protocol::flag() }),
        ("rename in two steps", two_step(Protocol::rename())),
        ("flag in place", Protocol { in_place: true, ..Protocol::flag() }),
    ] {
        safe(&format!("given up, {what}"), given_up(world));
    }
}

#[test]
fn t10_what_the_bank_said_before_we_looked_does_not_give_a_file_up() {
    let rules = weaker(|r| r.taken_back = |_, _| Some(FileOutState::Voided));
    unsafe_by(TWICE, given_up(Protocol { rules, ..Protocol::rename() }));
    // Nor, at a server whose renames are two steps, that its part is still there: it is said to be one.
    unsafe_by(TWICE, given_up(Protocol { is_said_atomic: true, ..two_step(Protocol::rename()) }));
    // Nor, where it is written in place, what it said behind that.
    let rules = weaker(|r| r.taken_back = |_, was_absent| taken_back(false, was_absent));
    unsafe_by(TWICE, given_up(Protocol { rules, in_place: true, ..Protocol::flag() }));
}

#[test]
fn t10_two_files_under_one_name_have_parts_of_their_own() {
    let rules = weaker(|r| r.part_name = |name, fence, (attempt, _)| format!("{name}.{fence}.{attempt}.part"));
    unsafe_by(TWICE, given_up(Protocol { rules, renames_late: true, ..Protocol::rename() }));
    let rules = weaker(|r| r.condemns = |row, path, part, (file, fence)| row.condemns(path, Part { file: None, ..part }, (file, fence)));
    unsafe_by(NEVER, given_up(Protocol { rules, ..Protocol::rename() }));
}

#[test]
fn p7_a_name_that_is_used_again_and_a_late_write_publish_a_hole() {
    let rules = weaker(|r| r.part_name = |name, fence, _| format!("{name}.{fence}.0.part"));
    unsafe_by(HALF, Protocol { rules, is_exclusive: false, ..Protocol::rename() });
}

#[test]
fn p7_somebody_elses_file_is_replaced_unless_the_final_name_is_proven_absent() {
    let foreign = Protocol { is_foreign: true, overwrites: true, ..Protocol::rename() };
    let rules = weaker(|r| r.acts = |_, _| &[Act::Upload(Piece::Data), Act::Intend, Act::Rename(Piece::Data), Act::Record]);
    unsafe_by("nobody else's file is replaced", Protocol { rules, ..foreign.clone() });
    let checker = foreign.checker().threads(2).spawn_bfs().join();
    assert!(checker.discoveries().is_empty(), "{:?}", checker.discoveries().into_keys());
}
