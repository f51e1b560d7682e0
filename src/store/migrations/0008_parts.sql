-- A payment may come back in any number of parts: each is a remainder of its own, numbered from 1 within its instruction, with a
-- claim, a case, a successor and a refund line of its own. Part 0 is the instruction itself.

-- Which part of the one before it an instruction pays again.
alter table instruction add column part bigint not null default 0;
update instruction set part = 1 where previous_id is not null and claim_key = -previous_id;
drop index instruction_successor;
create unique index instruction_successor on instruction (previous_id, part) where previous_id is not null and live = 1;

alter table failure_case add column part bigint not null default 0;
update failure_case set part = 1 where kind = 'partial';
drop index failure_case_instruction;
create unique index failure_case_instruction on failure_case (instruction_id, kind, part) where instruction_id is not null;

create table remainder_parts (
  instruction_id bigint not null,
  part bigint not null check (part > 0),
  claim_key bigint not null unique,
  file_out bigint not null,
  batch text not null,
  state text not null,
  amount_fen bigint not null check (amount_fen > 0),
  reason text not null,
  class text not null,
  since bigint not null,
  primary key (instruction_id, part)
){fill};
insert into remainder_parts select instruction_id, 1, -instruction_id, file_out, batch, state, amount_fen, reason, class, since from remainder;
drop table remainder;
alter table remainder_parts rename to remainder;
create index remainder_batch on remainder (batch);
create index remainder_open on remainder (file_out) where state = 'failed';

-- What was sent back: each time is a row. `part` says what became of it: null while it waits for its success, 0 all that stood as
-- paid, 1 and more that remainder, -1 nothing (more than stood as paid: a person was told).
create table returned_parts (
  id {identity},
  instruction_id bigint not null,
  part bigint,
  file_out bigint not null,
  file_in bigint,
  line bigint,
  statement bigint,
  statement_line bigint,
  money_on text not null,
  amount_fen bigint not null,
  reason text not null,
  class text not null,
  raw_code text not null,
  raw_text text not null,
  bank_ref text not null,
  since bigint not null,
  settled_at bigint
);
insert into returned_parts (instruction_id, part, file_out, file_in, line, statement, statement_line, money_on, amount_fen, reason, class, raw_code, raw_text,
  bank_ref, since, settled_at) select w.instruction_id, case when w.settled_at is null then null when m.instruction_id is null then 0
  when m.amount_fen = w.amount_fen and m.reason <> 'PARTIAL_PAID' then 1
  when exists (select 1 from instruction_state s where s.instruction_id = w.instruction_id and s.returned_fen > 0) then 0 else -1 end,
  w.file_out, w.file_in, w.line, w.statement, w.statement_line, w.money_on, w.amount_fen, w.reason, w.class, w.raw_code, w.raw_text, w.bank_ref, w.since, w.settled_at
  from waiting_return w left join remainder m on m.instruction_id = w.instruction_id order by w.since, w.instruction_id;
drop table waiting_return;
alter table returned_parts rename to waiting_return;
create index waiting_return_instruction on waiting_return (instruction_id);
create index waiting_return_file on waiting_return (file_out) where settled_at is null;
