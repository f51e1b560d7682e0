//! The faults that hit real systems of this kind, and the tests that bring each about here: on real components (OpenSSH,
//! PostgreSQL, full disks, the real binary) where the row is about them. O is what we send, I what comes in, T time, money and the
//! machine; gaps in the numbers are meant. A test says in its name which rows it reproduces (`i5_i7_..`).

use std::collections::BTreeSet;

/// A number, what happened, and the tests that bring it about.
type Row = (&'static str, &'static str, &'static [&'static str]);

const INCIDENTS: [Row; 43] = [
    (
        "O1",
        "An incomplete file went out, and the whole one the day after: paid twice",
        &[
            "format::o1_a_file_that_is_not_what_its_batch_says_is_never_finished",
            "publish::nodes::o1_a_file_written_in_place_is_written_once_or_is_in_doubt",
            "stories::gate::o1_q2_the_same_person_twice_is_paid_once",
            "stories::gate::o1_q2_two_nodes_that_admit_at_once_admit_each_person_once",
        ],
    ),
    (
        "O2",
        "One schedule ran twice",
        &[
            "stories::gate::o2_two_nodes_that_plan_at_once_make_one_file",
            "stories::incidents::o2_a_timer_that_fires_twice_and_a_clock_that_goes_back_make_no_second_file",
        ],
    ),
    (
        "O3",
        "A time-out inside the send, and a retry",
        &[
            "publish::crash::o3_o11_a_line_cut_anywhere_ends_with_one_file",
            "publish::crash::o3_o11_a_line_cut_anywhere_ends_with_one_file_and_one_flag",
            "publish::errors::o3_o8_what_was_done_and_answered_with_an_error_goes_out_once",
            "publish::nodes::o3_a_rename_of_two_steps_that_was_cut_is_in_doubt_and_never_repeated",
            "transport::line::o3_a_stalled_connection_times_out_within_its_bound",
            "transport::line::o3_o11_a_connection_cut_anywhere_never_looks_like_success",
        ],
    ),
    (
        "O4",
        "A crash between the upload and the record of it",
        &[
            "publish::crash::o4_a_bank_that_takes_at_once_gets_it_once",
            "publish::crash::o4_a_bank_that_takes_by_flag_gets_it_once_and_the_flag_after_the_data",
            "publish::crash::o4_a_run_that_dies_anywhere_ends_with_one_file",
            "publish::crash::o4_a_run_that_dies_anywhere_ends_with_one_file_and_one_flag",
            "publish::crash::o4_a_run_that_dies_at_any_await_in_a_directory_ends_with_one_file",
            "service::o4_stopped_in_the_middle_of_an_upload_and_started_again_it_sends_once",
        ],
    ),
    (
        "O5",
        "A name was taken already, wrapped around, or was another second's",
        &[
            "format::o5_numbers_never_wrap_and_values_never_leave_the_folder",
            "publish::trouble::o5_a_name_that_stands_there_already_is_held_and_never_overwritten",
            "stories::gate::o5_q12_a_bank_whose_path_is_the_days_gets_one_file_a_day",
            "stories::incidents::o5_files_of_a_weekend_and_its_monday_are_of_one_date_and_three_names",
            "transport::in_a_directory::o5_nothing_is_overwritten",
            "transport::over_sftp::o5_nothing_is_overwritten",
        ],
    ),
    (
        "O6",
        "Two machines took the same batch",
        &[
            "publish::nodes::o6_a_lease_is_kept_while_a_slow_bank_is_written_to",
            "publish::nodes::o6_a_node_that_was_taken_over_before_its_intent_has_none",
            "publish::nodes::o6_a_stale_node_that_renames_late_finds_no_source",
            "publish::nodes::o6_a_stale_node_that_uploads_does_no_harm",
            "publish::nodes::o6_two_nodes_on_postgresql_send_each_file_once",
            "publish::nodes::o6_two_nodes_send_each_file_once_over_sftp",
            "publish::nodes::o6_who_lost_the_lease_stops_in_the_middle_of_an_upload",
            "publish::nodes::o6_whoever_takes_the_lease_over_sees_every_intent_of_the_one_before",
        ],
    ),
    (
        "O8",
        "'Permission denied' counted as uploaded",
        &[
            "publish::errors::o3_o8_what_was_done_and_answered_with_an_error_goes_out_once",
            "publish::errors::o8_a_refusal_that_passes_costs_an_attempt_and_no_more",
            "publish::errors::o8_whatever_the_server_refuses_is_bounded_told_and_never_sent",
            "publish::trouble::o8_what_may_not_be_created_is_held_after_bounded_attempts",
            "publish::trouble::o8_what_may_not_be_renamed_is_never_sent_and_is_held",
            "transport::in_a_directory::o8_what_is_not_permitted_says_so",
            "transport::over_sftp::o8_what_is_not_permitted_says_so",
        ],
    ),
    (
        "O9",
        "A host key that was rotated stopped everything, or was trusted",
        &[
            "publish::trouble::o9_a_changed_host_key_stops_that_bank_alone_and_is_told_once",
            "transport::in_a_directory::o9_a_failed_listing_is_not_an_empty_directory",
            "transport::line::o9_a_listing_cut_anywhere_is_an_error_and_never_a_shorter_one",
            "transport::o9_a_pin_finds_its_key_among_several",
            "transport::o9_a_rotated_host_key_fails_closed_until_the_new_one_is_pinned",
            "transport::o9_no_key_is_trusted_on_first_use",
            "transport::over_sftp::o9_a_failed_listing_is_not_an_empty_directory",
        ],
    ),
    (
        "O10",
        "A full disk left an empty file behind",
        &[
            "publish::errors::o10_bytes_that_were_taken_and_not_stored_are_missed",
            "publish::nodes::o10_a_part_cut_short_by_others_is_condemned",
            "publish::trouble::o10_bytes_that_rotted_in_the_spool_never_go_out",
            "transport::line::o10_a_file_that_others_cut_short_is_not_sent",
            "transport::o10_a_full_disk_in_a_directory",
            "transport::o10_a_full_disk_over_sftp",
        ],
    ),
    (
        "O11",
        "The connection lost while a file was being closed",
        &[
            "publish::crash::o3_o11_a_line_cut_anywhere_ends_with_one_file",
            "publish::crash::o3_o11_a_line_cut_anywhere_ends_with_one_file_and_one_flag",
            "transport::line::o3_o11_a_connection_cut_anywhere_never_looks_like_success",
        ],
    ),
    (
        "O14",
        "The archive was down and the upload was blocked, or lost",
        &[
            "publish::trouble::o14_a_spool_that_cannot_be_written_is_told_and_nothing_is_half_recorded",
            "stories::incidents::o14_a_full_archive_takes_nothing_in_and_loses_nothing",
        ],
    ),
    (
        "O15",
        "One bad file, and nothing went out",
        &[
            "publish::trouble::o15_a_file_that_the_mailbox_refuses_lets_the_others_go_out_at_once",
            "publish::trouble::o15_a_profile_that_is_gone_or_changed_holds_its_files_alone",
            "publish::trouble::o15_a_tranche_that_cannot_be_planned_lets_the_others_go_out",
            "publish::trouble::o15_one_poison_file_among_ten_lets_nine_go_out",
            "stories::gate::o15_one_batch_that_cannot_be_checked_stops_no_other",
        ],
    ),
    (
        "O16",
        "A restart sent everything again and again",
        &[
            "publish::trouble::o16_backing_off_survives_a_restart_and_the_attempts_are_bounded",
            "publish::trouble::o16_trouble_is_not_over_because_nobody_looked",
            "unit::o16_a_daemon_that_cannot_start_does_not_try_for_ever",
        ],
    ),
    (
        "O18",
        "Placeholder text reached the bank",
        &[
            "format::o18_i19_what_a_bank_cannot_carry_is_refused_before_it_is_sent",
            "publish::trouble::o18_a_row_without_an_account_or_a_name_is_held_before_a_byte_leaves",
        ],
    ),
    ("O19", "Lengths were counted in characters", &["format::round_trip::o19_fixed_columns_hold_in_bytes"]),
    (
        "O20",
        "The temporary file of a crashed run was appended to",
        &[
            "publish::nodes::o20_parts_of_lower_fences_are_swept_and_no_others",
            "publish::trouble::o20_a_part_that_a_crashed_run_left_is_never_used",
        ],
    ),
    ("O22", "The bank's server offered only old algorithms", &["transport::o22_no_common_algorithm_names_both_sides"]),
    (
        "I1",
        "A file was read while it was still being written",
        &[
            "format::broken_files::i1_a_torn_file_is_never_taken_for_a_whole_one",
            "stories::files::i1_a_growing_file_is_left_alone",
            "stories::files::i1_q8_a_torn_answer_is_superseded_by_the_whole_one",
            "stories::files::i1_a_torn_half_of_a_pair_comes_whole_and_both_halves_count",
            "stories::files::i1_an_empty_half_that_fills_up_later_was_only_torn",
            "stories::files::i1_torn_data_under_a_whole_flag_is_read_again_with_its_flag",
            "transport::in_a_directory::i1_a_file_whose_size_is_not_what_was_read_is_not_taken",
            "transport::over_sftp::i1_a_file_whose_size_is_not_what_was_read_is_not_taken",
        ],
    ),
    (
        "I2",
        "A truncated file was taken for a whole one",
        &["format::broken_files::i2_totals_that_differ_are_each_named", "stories::files::i2_half_the_rows_change_nothing"],
    ),
    (
        "I4",
        "The same name came again with other content",
        &["stories::files::i4_other_bytes_for_a_settled_key_are_kept_and_change_nothing"],
    ),
    (
        "I5",
        "Money came back long after it was credited",
        &[
            "stories::acts::i5_i6_i7_words_and_acts_in_any_order_pay_nobody_twice_and_lose_no_fen",
            "stories::close::i5_q5_q9_a_return_after_the_seal_shows_in_both_months",
            "stories::order::i5_i7_i23_any_words_in_any_order_end_where_their_sum_says",
            "stories::order::i5_i7_success_failure_return_and_credit_end_alike_in_every_order",
            "stories::returns::i5_q6_a_partial_return_leaves_the_payment_paid_for_the_rest_and_the_part_can_be_paid_again",
            "stories::returns::i5_a_result_that_says_sent_back_is_a_success_and_a_return",
            "stories::returns::i5_a_return_after_40_days_across_a_month_goes_back_to_suspense_and_is_paid_again",
            "stories::returns::i5_a_return_before_its_success_waits_for_it",
            "stories::returns::i5_a_return_in_a_dated_folder_is_found_weeks_later_without_listing_it_each_time",
            "stories::returns::i5_a_statement_alone_can_show_that_a_payment_came_back",
            "stories::returns::i5_the_same_return_twice_counts_once",
        ],
    ),
    (
        "I6",
        "The first payment succeeded behind its correction",
        &[
            "stories::acts::i5_i6_i7_words_and_acts_in_any_order_pay_nobody_twice_and_lose_no_fen",
            "stories::cases::i6_a_late_success_behind_a_correction_that_is_out_is_an_alarm_and_never_silent",
            "stories::late::i6_a_file_that_a_late_success_stops_gives_the_days_name_back",
            "stories::late::i6_a_late_success_behind_a_published_retry_is_told_at_once",
            "stories::late::i6_q2_a_late_success_stops_another_batch_that_took_the_claim",
            "stories::late::i6_late_successes_stop_the_retries_that_are_planned",
            "stories::late::i6_late_successes_stop_the_retries_that_wait",
            "stories::race::i6_q4_a_late_success_and_the_plan_of_its_retry_never_both_win",
        ],
    ),
    (
        "I7",
        "The order in which words came mattered",
        &[
            "stories::acts::i5_i6_i7_words_and_acts_in_any_order_pay_nobody_twice_and_lose_no_fen",
            "stories::acts::i7_a_late_success_behind_a_reissue_stops_the_next_one",
            "stories::acts::i7_q5_failure_refund_receipt_and_then_a_late_success_is_told_and_nothing_follows",
            "stories::order::i5_i7_i23_any_words_in_any_order_end_where_their_sum_says",
            "stories::order::i5_i7_success_failure_return_and_credit_end_alike_in_every_order",
            "stories::order::i7_ack_success_and_failure_end_alike_in_every_order",
            "stories::returns::i7_a_success_of_money_that_went_back_to_the_treasury_is_a_suspected_double_payment",
            "stories::returns::i7_a_success_under_another_reference_of_the_bank_is_a_second_credit",
            "stories::returns::i7_q6_two_persons_settle_that_a_part_was_paid",
        ],
    ),
    (
        "I8",
        "The bank says 'duplicate'",
        &[
            "format::i8_a_bank_that_says_duplicate_has_not_refused",
            "stories::evidence::i8_a_file_refused_as_seen_before_is_in_doubt_and_never_sent_again",
        ],
    ),
    ("I9", "Marked as done before it was done", &["stories::incidents::i9_ingestion_may_die_anywhere_and_every_answer_counts_once"]),
    (
        "I11",
        "One bad file was told at each poll, or held up the others",
        &[
            "stories::files::i11_a_statement_that_names_no_day_stops_nothing",
            "stories::files::i11_an_unreadable_archive_stops_no_other_set",
            "stories::files::i11_one_poison_file_stops_none_of_nine_and_is_told_once",
        ],
    ),
    (
        "I12",
        "One folder failed, and nothing else was fetched",
        &[
            "stories::files::i12_an_outbox_that_is_not_there_is_told",
            "stories::files::i12_one_folder_that_cannot_be_listed_keeps_none_of_the_others_waiting",
            "stories::files::i12_what_the_server_fails_to_read_keeps_none_of_the_others_waiting",
            "stories::files::i12_what_the_server_fails_to_read_keeps_nothing_from_going_out_and_is_told",
        ],
    ),
    ("I13", "Empty files stayed for ever", &["format::broken_files::i13_empty_header_only_and_no_rows"]),
    (
        "I14",
        "A row differs from what was sent",
        &["stories::files::i14_q12_a_row_that_differs_from_what_was_sent_is_a_conflict_and_stops_no_other"],
    ),
    ("I16", "The bank never answered", &["stories::evidence::i16_silence_is_told_once_a_day_and_makes_no_outcome"]),
    ("I18", "The encoding was guessed", &["format::broken_files::i18_other_encodings_are_noticed"]),
    (
        "I19",
        "A separator inside a name",
        &[
            "format::broken_files::i19_columns_between_delimiters_are_counted_after_decoding",
            "format::o18_i19_what_a_bank_cannot_carry_is_refused_before_it_is_sent",
        ],
    ),
    (
        "I21",
        "A file that was dropped half way was lost, or one that was done came again",
        &["stories::incidents::i21_what_was_dropped_half_way_is_taken_later_and_what_was_done_never_again"],
    ),
    (
        "I22",
        "A notice of a new file was missed",
        &[
            "service::i22_a_file_in_a_local_folder_is_seen_at_once_though_the_rescan_is_an_hour_away",
            "service::i22_without_notices_the_rescan_finds_it",
            "transport::i22_a_change_is_noticed_and_a_replaced_directory_is_watched_again",
        ],
    ),
    (
        "I23",
        "Successes, failures and strangers in one file",
        &[
            "stories::incidents::i23_rows_of_every_kind_in_one_file_go_each_its_own_way",
            "stories::order::i5_i7_i23_any_words_in_any_order_end_where_their_sum_says",
        ],
    ),
    (
        "T2",
        "A window over midnight never opened",
        &[
            "stories::gate::t2_the_cut_offs_own_second_is_too_late",
            "stories::race::t2_a_round_that_is_slow_sends_nothing_behind_the_cutoff",
            "stories::times::t2_a_make_up_day_on_which_banks_are_closed_sends_nothing",
            "stories::times::t2_a_publication_that_is_found_unrenamed_the_next_day_is_taken_back_and_planned_anew",
            "stories::times::t2_a_second_copy_whose_day_goes_by_is_a_persons",
            "stories::times::t2_a_window_over_midnight_is_one_business_day",
            "stories::times::t2_a_year_that_is_not_there_keeps_its_batch_waiting_and_no_other",
            "stories::times::t2_the_cutoff_is_looked_at_again_before_each_file",
            "stories::times::t2_the_hosts_zone_says_nothing",
            "stories::times::t2_the_very_second_of_the_cutoff_is_the_next_day",
            "stories::times::t2_what_is_sealed_when_the_cutoff_strikes_goes_out_on_the_next_day",
        ],
    ),
    (
        "T3",
        "A day that was slept through was lost",
        &[
            "stories::gate::t3_a_file_whose_day_went_by_unseen_is_given_up_and_made_anew_with_todays_date",
            "stories::times::t3_a_day_slept_through_is_paid_on_the_next_and_told_once",
            "stories::times::t3_pay_on_a_holiday_or_long_past_is_the_next_bank_day",
        ],
    ),
    ("T5", "Money as a binary fraction", &["format::broken_files::t5_amounts_are_decimal_digits_of_two_places_and_nothing_else"]),
    (
        "T6",
        "Closing twice, or half",
        &[
            "stories::close::t6_q9_a_cut_is_taken_once_and_what_comes_a_second_later_is_next_months",
            "stories::close::t6_q9_a_cut_waits_for_whoever_has_taken_a_number",
            "stories::close::t6_a_run_may_die_anywhere",
        ],
    ),
    (
        "T7",
        "Secrets and whole numbers in logs and dumps",
        &[
            "audit::t7_evidence_that_is_not_whole_names_nobody",
            "config::t7_a_secret_in_the_file_is_refused_and_never_repeated",
            "config::t7_what_is_explained_has_no_secret_and_reads_back_the_same",
            "stories::incidents::t7_no_letter_alarm_or_record_has_a_whole_card_or_identity_number",
        ],
    ),
    (
        "T8",
        "The disk was full, and the answer was 'OK'",
        &[
            "service::t8_a_log_that_cannot_be_written_stops_nothing",
            "stories::incidents::t8_a_full_disk_under_the_spool_sends_no_half_holds_nothing_and_goes_on_when_there_is_room",
            "stories::incidents::t8_twenty_thousand_strange_files_keep_no_answer_waiting",
        ],
    ),
    (
        "T9",
        "A report was lost, or came twice",
        &[
            "mail::t9_a_wrong_password_is_no_bounce_and_a_relay_that_is_down_is_tried_again",
            "mail::t9_each_way_to_fail_says_whether_to_try_again_and_whether_somebody_has_the_letter",
            "reports::t9_a_crash_between_intent_and_outcome_is_seen_and_ends_in_one_mail",
            "reports::t9_a_relay_that_puts_off_or_bounces_does_not_hold_up_the_others",
            "reports::t9_a_relay_that_refuses_us_or_is_down_for_a_day_loses_and_doubles_nothing",
            "reports::t9_an_unclear_end_is_tried_again_with_the_same_bytes_and_at_last_a_person_looks",
        ],
    ),
    (
        "T10",
        "Stuck states were mended by statements that somebody typed",
        &[
            "stories::doctor::t10_doctor_names_a_doubtful_file_and_the_command_settles_it",
            "stories::doctor::t10_doctor_names_a_held_file_and_the_command_lets_it_go",
            "stories::doctor::t10_doctor_names_a_paused_bank_an_alarm_and_a_letter",
            "stories::doctor::t10_doctor_names_a_quarantined_file_and_the_command_rejects_it",
            "stories::doctor::t10_doctor_names_an_unknown_payment_and_the_commands_settle_it",
            "stories::doctor::t10_p11_every_state_moves_by_itself_or_has_a_command_that_exists",
            "stories::doctor::t10_the_words_of_the_schema_are_all_there",
            "socket::t10_a_file_of_a_bank_that_is_stuck_is_rejected_by_one_and_read_in_part_by_two",
            "socket::t10_alarms_letters_and_answers_that_will_not_come_are_ended_by_one_person_who_says_why",
            "socket::t10_files_that_are_stuck_are_stopped_by_one_and_let_go_by_two",
            "stories::stuck::t10_a_line_too_many_is_left_out_and_every_payment_has_its_word",
            "stories::doctor::t10_an_ack_is_waived_where_the_file_was_seen_to_arrive_and_not_where_that_is_presumed",
            "stories::doctor::t10_what_will_not_come_is_waived_by_a_person_who_says_why",
            "stories::stuck::t10_a_bank_that_was_tried_out_goes_live_by_two",
            "stories::stuck::t10_a_file_of_a_bank_is_read_without_a_line_by_two_persons",
            "stories::stuck::t10_a_file_that_is_held_goes_nowhere_until_two_persons_release_it",
            "stories::stuck::t10_a_file_that_the_bank_never_executed_fails_whole_and_can_be_corrected",
            "stories::stuck::t10_a_held_publication_goes_on_with_its_own_part_alone",
            "stories::stuck::t10_a_hold_and_an_intent_never_both_win",
            "stories::stuck::t10_a_part_that_is_gone_before_it_is_taken_back_may_be_out",
            "stories::stuck::t10_a_quarantined_file_is_rejected_or_read_again",
            "stories::stuck::t10_a_recall_is_asked_for_and_the_banks_word_decides",
            "stories::stuck::t10_a_second_copy_is_never_given_up_as_unseen",
            "stories::stuck::t10_a_wrong_line_left_out_does_not_prove_what_does_not_add_up",
            "stories::stuck::t10_an_answer_names_a_file_that_is_being_taken_back",
            "stories::stuck::t10_q1_no_refusal_of_a_second_copy_speaks_for_the_first",
            "stories::stuck::t10_of_a_second_copy_duplicate_means_taken",
            "stories::stuck::t10_the_bank_has_it_by_its_letter",
            "stories::stuck::t10_what_no_bank_saw_is_given_up_by_one_person_and_made_anew",
            "stories::stuck::t10_what_two_persons_take_back_leaves_no_source_behind",
            "stories::stuck::t10_which_of_two_contents_counts_is_said_by_two_persons",
        ],
    ),
];

/// Ways in which an earlier draft of the protocol paid twice, lost, or stuck: P of publishing (most of them properties of the
/// model), Q of what comes behind it.
const COUNTEREXAMPLES: [Row; 23] = [
    (
        "P1",
        "Which part is renamed was not said: never out, or twice",
        &[
            "model::p1_where_an_intended_file_may_be_uploaded_again_it_is_published_twice",
            "model::p1_without_the_intent_it_is_published_twice",
            "model::p1_without_the_parts_name_in_the_row_it_is_published_twice_or_never",
        ],
    ),
    ("P2", "A file was taken for out before its flag was", &["model::p2_where_the_final_name_is_looked_at_first_the_flag_is_never_set"]),
    ("P3", "Data under its final name was written again", &["model::p3_every_interleaving_of_a_flag_in_place_is_safe"]),
    (
        "P4",
        "A rename that is two steps was taken for one",
        &["model::p4_where_a_rename_of_two_steps_is_said_to_be_one_it_is_published_twice"],
    ),
    (
        "P5",
        "A database that failed over or was restored had forgotten an intent",
        &["model::p5_a_database_that_forgets_its_last_commit_publishes_twice_unless_it_is_noticed"],
    ),
    (
        "P6",
        "Gone was taken for taken",
        &[
            "publish::nodes::p6_a_folder_that_is_gone_is_no_proof_that_the_bank_took_it",
            "publish::nodes::p6_recovery_looks_where_the_parts_are_whatever_the_settings_say",
        ],
    ),
    (
        "P7",
        "The size alone was taken for proof",
        &[
            "model::p7_a_name_that_is_used_again_and_a_late_write_publish_a_hole",
            "model::p7_somebody_elses_file_is_replaced_unless_the_final_name_is_proven_absent",
        ],
    ),
    (
        "P8",
        "A takeover was not stamped: parts swept away, fences that nobody met",
        &[
            "model::p8_where_a_sweep_takes_the_rows_own_part_it_is_recorded_and_never_out",
            "model::p8_where_only_the_rows_fence_is_asked_and_not_the_lease_a_sweep_takes_the_part_away",
            "model::p8_without_the_fence_it_is_recorded_and_never_out",
        ],
    ),
    ("P9", "The spool and the archive were one node's", &["stories::gate::p9_a_node_that_takes_over_needs_nothing_of_the_others_disk"]),
    (
        "P10",
        "The reply to a commit was lost: planned or sealed again",
        &[
            "stories::gate::p10_a_late_seal_changes_no_hash",
            "stories::gate::p10_a_plan_that_dies_anywhere_is_made_once_and_its_head_counts_its_lines",
        ],
    ),
    (
        "P11",
        "States and cells were missing from the tables",
        &[
            "stories::doctor::t10_p11_every_state_moves_by_itself_or_has_a_command_that_exists",
            "stories::evidence::p11_an_answer_is_the_best_evidence_that_a_file_is_out",
        ],
    ),
    (
        "Q1",
        "A refusal was attributed to the wrong copy",
        &[
            "stories::evidence::q1_a_file_refused_for_its_date_is_tried_again_as_new_instructions_on_another_day",
            "stories::stuck::t10_q1_no_refusal_of_a_second_copy_speaks_for_the_first",
        ],
    ),
    (
        "Q2",
        "The claim was on the row and not on the entitlement",
        &[
            "stories::gate::o1_q2_the_same_person_twice_is_paid_once",
            "stories::gate::o1_q2_two_nodes_that_admit_at_once_admit_each_person_once",
            "stories::gate::q2_a_correction_and_a_new_list_never_both_pay_a_person",
            "stories::late::i6_q2_a_late_success_stops_another_batch_that_took_the_claim",
        ],
    ),
    ("Q3", "A refund and a reissue claimed the same failure", &["stories::refund::q3_a_refund_and_a_reissue_exclude_each_other"]),
    (
        "Q4",
        "A late success and the retry of its failure both won",
        &["stories::race::i6_q4_a_late_success_and_the_plan_of_its_retry_never_both_win"],
    ),
    (
        "Q5",
        "A rule of ours refused what a bank had done",
        &[
            "stories::acts::i7_q5_failure_refund_receipt_and_then_a_late_success_is_told_and_nothing_follows",
            "stories::close::i5_q5_q9_a_return_after_the_seal_shows_in_both_months",
        ],
    ),
    (
        "Q6",
        "A part was taken for all, or for nothing",
        &[
            "stories::returns::i5_q6_a_partial_return_leaves_the_payment_paid_for_the_rest_and_the_part_can_be_paid_again",
            "stories::returns::i7_q6_two_persons_settle_that_a_part_was_paid",
        ],
    ),
    (
        "Q7",
        "Failed was taken for money that is back",
        &["stories::reconcile::r6_q7_in_the_gross_model_a_failure_is_final_once_its_money_is_back"],
    ),
    (
        "Q8",
        "Files in were told apart by the wrong marks",
        &[
            "stories::files::i1_q8_a_torn_answer_is_superseded_by_the_whole_one",
            "stories::files::q8_an_empty_half_means_that_nothing_failed_or_nothing_was_paid",
        ],
    ),
    (
        "Q9",
        "A month was sealed while somebody wrote into it",
        &[
            "stories::close::i5_q5_q9_a_return_after_the_seal_shows_in_both_months",
            "stories::close::t6_q9_a_cut_is_taken_once_and_what_comes_a_second_later_is_next_months",
            "stories::close::t6_q9_a_cut_waits_for_whoever_has_taken_a_number",
        ],
    ),
    (
        "Q10",
        "An answer was applied from an old proof, a file was deleted unread",
        &[
            "stories::files::q10_a_file_replaced_while_it_is_put_away_is_collected_too",
            "stories::race::q10_two_nodes_that_apply_one_answer_count_it_once",
        ],
    ),
    (
        "Q11",
        "What was approved could still be changed",
        &[
            "stories::gate::q11_a_batch_that_was_changed_after_its_approval_goes_back_whole",
            "stories::gate::q11_what_was_admitted_is_paid_whatever_the_platform_writes_afterwards",
        ],
    ),
    (
        "Q12",
        "The words of the rules contradicted each other",
        &[
            "stories::files::i14_q12_a_row_that_differs_from_what_was_sent_is_a_conflict_and_stops_no_other",
            "stories::files::q12_half_a_pair_waits_for_the_other_half",
            "stories::gate::o5_q12_a_bank_whose_path_is_the_days_gets_one_file_a_day",
        ],
    ),
];

/// The tests of this binary, as it names them itself.
fn tests() -> BTreeSet<String> {
    let said = std::process::Command::new(std::env::current_exe().unwrap()).args(["--list", "--format", "terse"]).output().unwrap();
    assert!(said.status.success());
    String::from_utf8(said.stdout).unwrap().lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

/// The rows that a test's name says it reproduces; R are rules of the measures, and have no table here.
fn rows_of(test: &str) -> Vec<String> {
    let name = test.rsplit("::").next().unwrap();
    let is_row =
        |part: &&str| part.len() > 1 && part.starts_with(['o', 'i', 't', 'p', 'q', 'r']) && part[1..].bytes().all(|b| b.is_ascii_digit());
    name.split('_').take_while(is_row).map(str::to_uppercase).collect()
}

/// What a table and the tests that there are do not say alike. A row need not name every test of it.
fn differences(rows: &[Row], tests: &BTreeSet<String>) -> Vec<String> {
    let mut found = Vec::new();
    for (id, what, named) in rows {
        if named.is_empty() || what.is_empty() {
            found.push(format!("{id} has no test, or no word"));
        }
        for test in *named {
            if !tests.contains(*test) {
                found.push(format!("{id} names {test}, which is not there"));
            } else if !rows_of(test).iter().any(|row| row == id) {
                found.push(format!("{id} names {test}, whose name does not say so"));
            }
        }
    }
    for test in tests {
        for row in rows_of(test) {
            if !row.starts_with('R') && rows.iter().all(|(id, ..)| *id != row) {
                found.push(format!("{test} is of a row {row} that is not there"));
            }
        }
    }
    found
}

#[test]
fn each_incident_and_counterexample_has_its_tests() {
    let rows = [&INCIDENTS[..], &COUNTEREXAMPLES[..]].concat();
    assert_eq!(differences(&rows, &tests()), Vec::<String>::new());
    let ids: Vec<&str> = rows.iter().map(|(id, ..)| *id).collect();
    assert_eq!(
        ids.join(" "),
        "O1 O2 O3 O4 O5 O6 O8 O9 O10 O11 O14 O15 O16 O18 O19 O20 O22 I1 I2 I4 I5 I6 I7 I8 I9 I11 I12 I13 I14 I16 I18 I19 I21 I22 I23 \
         T2 T3 T5 T6 T7 T8 T9 T10 \
         P1 P2 P3 P4 P5 P6 P7 P8 P9 P10 P11 Q1 Q2 Q3 Q4 Q5 Q6 Q7 Q8 Q9 Q10 Q11 Q12"
    );
}

#[test]
fn a_row_without_test_and_a_renamed_test_are_seen() {
    let tests = ["a::o1_x", "a::i5_i7_y", "a::t9_z", "a::on_both_o2"].map(str::to_owned).into();
    let whole: [Row; 4] =
        [("O1", "a", &["a::o1_x"]), ("I5", "b", &["a::i5_i7_y"]), ("I7", "c", &["a::i5_i7_y"]), ("T9", "d", &["a::t9_z"])];
    assert_eq!(differences(&whole, &tests), Vec::<String>::new());
    let broken: [Row; 4] =
        [("O1", "a", &[]), ("I5", "b", &["a::i5_y"]), ("I7", "c", &["a::i5_i7_y", "a::o1_x"]), ("O3", "d", &["a::t9_z"])];
    assert_eq!(
        differences(&broken, &tests),
        [
            "O1 has no test, or no word",
            "I5 names a::i5_y, which is not there",
            "I7 names a::o1_x, whose name does not say so",
            "O3 names a::t9_z, whose name does not say so",
            "a::t9_z is of a row T9 that is not there",
        ]
    );
}
