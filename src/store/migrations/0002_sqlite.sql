-- SQLite cannot relax a column or a check in place: these two tables are written anew, row by row.

create table file_out_anew (
  id integer primary key,
  bank text not null references bank (code),
  agreement text not null references agreement (number),
  tranche bigint references tranche (id),
  batch text not null,
  profile text not null,
  profile_digest text not null,
  business_date text not null,
  seq_no bigint not null,
  dir text not null,
  name text not null,
  flag_name text not null default '',
  path_taken text not null,
  exchange_key text not null,
  first_id bigint not null,
  last_id bigint not null,
  rows bigint not null check (rows > 0),
  total_fen bigint not null check (total_fen > 0),
  state text not null,
  lines_state text not null,
  fence bigint not null default 0,
  attempt bigint not null default 0,
  part_name text not null default '',
  flag_part_name text not null default '',
  sha256 text not null default '',
  bytes bigint not null default 0,
  evidence text not null default '',
  held_reason text not null default '',
  copies bigint not null default 0,
  shadow bigint not null default 0,
  ack_due_at bigint,
  result_due_at bigint,
  chased_at bigint,
  sent_at bigint,
  answered_at bigint,
  created_at bigint not null,
  updated_at bigint not null,
  kind text not null default 'instruction' check (kind in ('instruction', 'refund')),
  check (last_id - first_id + 1 = rows)
);
insert into file_out_anew select * from file_out;
drop table file_out;
alter table file_out_anew rename to file_out;
create unique index file_out_path on file_out (bank, path_taken);
create unique index file_out_seq on file_out (bank, business_date, seq_no);
create index file_out_key on file_out (bank, exchange_key);
create index file_out_open on file_out (bank, state) where state not in ('answered', 'refused', 'voided', 'abandoned');
create index file_out_range on file_out (first_id);
create index file_out_batch on file_out (batch);
create index file_out_agreement on file_out (agreement, business_date);

create table failure_case_anew (
  id integer primary key,
  kind text not null check (kind in ('rejected', 'failed', 'returned', 'partial', 'recovery', 'unknown', 'conflict', 'double_payment_suspected', 'unmapped_reason')),
  payment_id bigint not null,
  root_payment_id bigint not null,
  instruction_id bigint,
  batch text not null,
  department text not null,
  bank text not null default '',
  amount_fen bigint not null,
  reason text not null,
  class text not null,
  detail text not null default '',
  owner text not null check (owner in ('department', 'person', 'operator')),
  state text not null default 'open' check (state in ('open', 'closed')),
  business_date text not null,
  due_on text not null,
  mail bigint,
  opened_at bigint not null,
  closed_at bigint,
  closed_as text not null default '',
  reminded bigint not null default 0,
  remind_at bigint,
  escalated_at bigint,
  money_on text not null default '',
  assignee text not null default '',
  note text not null default '',
  successor bigint
);
insert into failure_case_anew select * from failure_case;
drop table failure_case;
alter table failure_case_anew rename to failure_case;
create index failure_case_batch on failure_case (batch);
create unique index failure_case_once on failure_case (payment_id, kind) where instruction_id is null;
create unique index failure_case_instruction on failure_case (instruction_id, kind) where instruction_id is not null;
create index failure_case_unmailed on failure_case (department) where mail is null;
create index failure_case_open on failure_case (state, due_on) where state = 'open';
create index failure_case_undated on failure_case (batch) where money_on = '';
create index failure_case_remind on failure_case (remind_at) where state = 'open';
create index failure_case_unescalated on failure_case (due_on) where state = 'open' and escalated_at is null;
create index failure_case_reissued on failure_case (successor) where state = 'open' and successor is not null;
create index failure_case_recovery on failure_case (amount_fen) where state = 'open' and kind = 'recovery';

create trigger ineligible_new after insert on ineligible begin insert into ineligible_news (id_number, project) values (new.id_number, new.project) on conflict (id_number, project) do update set is_open = 1; end;
create trigger ineligible_changed after update on ineligible begin insert into ineligible_news (id_number, project) values (new.id_number, new.project) on conflict (id_number, project) do update set is_open = 1; end;

create trigger statement_match_no_update before update on statement_match begin select raise(abort, 'table statement_match is append-only'); end;
create trigger statement_match_no_delete before delete on statement_match begin select raise(abort, 'table statement_match is append-only'); end;
create trigger reconcile_run_no_update before update on reconcile_run begin select raise(abort, 'table reconcile_run is append-only'); end;
create trigger reconcile_run_no_delete before delete on reconcile_run begin select raise(abort, 'table reconcile_run is append-only'); end;
create trigger period_item_no_update before update on period_item begin select raise(abort, 'table period_item is append-only'); end;
create trigger period_item_no_delete before delete on period_item begin select raise(abort, 'table period_item is append-only'); end;
create trigger period_close_no_update before update on period_close when old.state = 'sealed' begin select raise(abort, 'the period is sealed'); end;
create trigger period_close_no_delete before delete on period_close when old.state = 'sealed' begin select raise(abort, 'the period is sealed'); end;
