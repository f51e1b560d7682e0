-- A refund file stands in no tranche; cases have two kinds more.
alter table file_out alter column tranche drop not null;
alter table failure_case drop constraint failure_case_kind_check;
alter table failure_case add constraint failure_case_kind_check check (kind in ('rejected', 'failed', 'returned', 'partial', 'recovery', 'unknown', 'conflict', 'double_payment_suspected', 'unmapped_reason'));
create trigger append_only before update or delete on statement_match for each row execute function bankgate_append_only();
create trigger append_only_whole before truncate on statement_match for each statement execute function bankgate_append_only();
create trigger append_only before update or delete on reconcile_run for each row execute function bankgate_append_only();
create trigger append_only_whole before truncate on reconcile_run for each statement execute function bankgate_append_only();
create index file_out_agreement on file_out (agreement, business_date);
