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
