-- Who may do what in the schema {schema}. Run by the owner of the tables after every `bankgate migrate`; running it again
-- is harmless, and what an earlier version granted and this one does not is taken back.
-- Three roles without login: grant each to the logins that need it. The owner is a fourth, used to migrate and by nobody else.

do $$
declare
  wanted text;
begin
  foreach wanted in array array['bankgate_platform', 'bankgate_daemon', 'bankgate_auditor'] loop
    begin
      execute format('create role %I nologin', wanted);
    exception when duplicate_object or unique_violation then
      null; -- It is there, or somebody else was faster: roles belong to the whole server.
    end;
  end loop;
end $$;

revoke all on schema {schema} from public, bankgate_platform, bankgate_daemon, bankgate_auditor;
revoke all on all tables in schema {schema} from public, bankgate_platform, bankgate_daemon, bankgate_auditor;
grant usage on schema {schema} to bankgate_platform, bankgate_daemon, bankgate_auditor;

-- The platform writes the intake, reads the views, and sees nothing else. A batch is never deleted; rows of one that was
-- sent back may be.
grant select, insert, update on {schema}.department, {schema}.project, {schema}.bank, {schema}.agreement, {schema}.batch to bankgate_platform;
grant select, insert, update, delete on {schema}.payment, {schema}.ineligible to bankgate_platform;
grant select, insert on {schema}.funding to bankgate_platform;
grant select on {schema}.v_batch, {schema}.v_payment, {schema}.v_case, {schema}.v_statement, {schema}.v_refund to bankgate_platform;

-- The daemon reads all, and adds batches that were imported as lists. `operator` is written by the owner alone: who may
-- decide is not decided by those who do.
grant select on all tables in schema {schema} to bankgate_daemon;
grant insert, update on {schema}.batch to bankgate_daemon;
grant insert on {schema}.payment to bankgate_daemon;
-- Persons pause a bank and let it go on through the daemon; all else of a bank is the platform's.
grant update (mode) on {schema}.bank to bankgate_daemon;
-- What it keeps up to date.
grant insert, update on {schema}.at_gate, {schema}.counter, {schema}.admission, {schema}.tranche, {schema}.file_out, {schema}.instruction_state,
  {schema}.file_in, {schema}.account, {schema}.failure_case, {schema}.outbox_mail, {schema}.incident, {schema}.proposal,
  {schema}.lease, {schema}.edge, {schema}.sighting, {schema}.remainder, {schema}.waiting_return, {schema}.ineligible_news, {schema}.refund_order, {schema}.refund_line,
  {schema}.break_item, {schema}.reconciled, {schema}.reconcile_mark, {schema}.period_close, {schema}.publication, {schema}.expected_file, {schema}.enquiry,
  {schema}.publishing_hold, {schema}.forgotten_file, {schema}.forgotten_rows, {schema}.database_identity, {schema}.line_aside, {schema}.node_look,
  {schema}.putting_away to bankgate_daemon;
-- What the bank will be told stands as it was admitted: only the claim and the ordinal of the day change.
grant insert, update (live, ordinal) on {schema}.instruction to bankgate_daemon;
-- History: added to, never changed.
grant insert on {schema}.answer_line, {schema}.final_answer, {schema}.event, {schema}.entry, {schema}.posting, {schema}.audit,
  {schema}.statement, {schema}.statement_line, {schema}.statement_match, {schema}.reconcile_run, {schema}.correction,
  {schema}.legacy_payment, {schema}.opening_balance, {schema}.period_item to bankgate_daemon;
-- A batch that was decided leaves the gate, an arrival that was booked what is to be booked, a move that was looked at what is to be looked at.
grant delete on {schema}.at_gate, {schema}.funding_to_book, {schema}.putting_away to bankgate_daemon;
-- The code's own table of transitions, loaded anew when a new program starts.
grant insert, delete on {schema}.transition to bankgate_daemon;

-- Auditors read everything and change nothing.
grant select on all tables in schema {schema} to bankgate_auditor;
