-- SQLite cannot drop a check: the two tables are written anew, with what hangs on them.
create table refund_line_parts (
  refund_order bigint not null references refund_order (id),
  line bigint not null,
  instruction_id bigint not null,
  part bigint not null default 0,
  case_id bigint,
  amount_fen bigint not null check (amount_fen > 0),
  live bigint not null default 1 check (live in (0, 1)),
  primary key (refund_order, line)
);
insert into refund_line_parts select refund_order, line, instruction_id, part, case_id, amount_fen, live from refund_line;
drop table refund_line;
alter table refund_line_parts rename to refund_line;
create unique index refund_line_live on refund_line (instruction_id, part) where live = 1;
create index refund_line_instruction on refund_line (instruction_id);

create table period_item_parts (
  period bigint not null references period_close (id),
  kind text not null check (kind in ('ineligible', 'correctable', 'unknown', 'in_flight', 'lapsed')),
  year bigint not null,
  file_out bigint not null,
  instruction_id bigint not null,
  part bigint not null default 0,
  lines bigint not null,
  amount_fen bigint not null,
  state text not null,
  reason text not null,
  class text not null,
  batch text not null,
  case_id bigint not null default 0,
  primary key (period, kind, file_out, instruction_id, part)
);
insert into period_item_parts select period, kind, year, file_out, instruction_id, part, lines, amount_fen, state, reason, class, batch, case_id from period_item;
drop table period_item;
alter table period_item_parts rename to period_item;
create trigger period_item_no_update before update on period_item begin select raise(abort, 'table period_item is append-only'); end;
create trigger period_item_no_delete before delete on period_item begin select raise(abort, 'table period_item is append-only'); end;
