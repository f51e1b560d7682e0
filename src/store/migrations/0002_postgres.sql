-- A refund file stands in no tranche; cases have two kinds more.
alter table file_out alter column tranche drop not null;
alter table failure_case drop constraint failure_case_kind_check;
alter table failure_case add constraint failure_case_kind_check check (kind in ('rejected', 'failed', 'returned', 'partial', 'recovery', 'unknown', 'conflict', 'double_payment_suspected', 'unmapped_reason'));
create trigger append_only before update or delete on statement_match for each row execute function bankgate_append_only();
create trigger append_only_whole before truncate on statement_match for each statement execute function bankgate_append_only();
create trigger append_only before update or delete on reconcile_run for each row execute function bankgate_append_only();
create trigger append_only_whole before truncate on reconcile_run for each statement execute function bankgate_append_only();
create index file_out_agreement on file_out (agreement, business_date);

create index failure_case_undated on failure_case (batch) where money_on = '';
create index failure_case_remind on failure_case (remind_at) where state = 'open';
create index failure_case_unescalated on failure_case (due_on) where state = 'open' and escalated_at is null;
create index failure_case_reissued on failure_case (successor) where state = 'open' and successor is not null;
create index failure_case_recovery on failure_case (amount_fen) where state = 'open' and kind = 'recovery';

-- By the owner's right: who writes the list need not know that it is watched.
create function bankgate_ineligible_news() returns trigger language plpgsql security definer set search_path from current as $$
begin
  insert into ineligible_news (id_number, project) values (new.id_number, new.project) on conflict (id_number, project) do update set is_open = 1;
  return null;
end $$;
create trigger watched after insert or update on ineligible for each row execute function bankgate_ineligible_news();
create trigger append_only before update or delete on period_item for each row execute function bankgate_append_only();
create trigger append_only_whole before truncate on period_item for each statement execute function bankgate_append_only();

-- What is sealed stands.
create function bankgate_sealed() returns trigger language plpgsql as $$
begin
  raise exception 'period % of % % is sealed', old.period, old.department, old.project using hint = 'a later event belongs to the open period';
end $$;
create trigger sealed before update or delete on period_close for each row when (old.state = 'sealed') execute function bankgate_sealed();

-- A cut is an entry's number. Numbers are given in order, but transactions end in any order: without this, an entry with a
-- smaller number could appear behind a cut that was taken while its transaction ran. Every writer holds this lock, shared,
-- from before it takes a number until its end; who cuts takes it alone, and so waits for them. It is no lock on the table,
-- because that would ask for the right to update it, which nobody has.
create function bankgate_entry_lock() returns trigger language plpgsql as $$
begin
  perform pg_advisory_xact_lock_shared(tg_relid::bigint);
  return null;
end $$;
create trigger numbered before insert on entry for each statement execute function bankgate_entry_lock();
