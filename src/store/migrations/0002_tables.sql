-- Settlement: what happens to money that did not arrive, and the proof that every fen is where we say.

drop view v_statement;
drop view v_case;
drop view v_payment;
drop view v_batch;
drop view v_instruction;

-- Intake.

-- How money goes back to the treasury from this payer account. An empty profile: orders are printed and carried.
alter table agreement add column refund_profile text not null default '';
alter table agreement add column treasury_account text not null default '';
alter table agreement add column treasury_name text not null default '';
alter table agreement add column treasury_bank text not null default '';

-- Paid through the channel before this one, so that a duplicate is seen from the first day.
create table legacy_payment (
  id {identity},
  source text not null,
  line bigint not null,
  claim_key bigint not null,
  project text not null references project (code),
  period text not null,
  entitled_name text not null,
  entitled_id text not null,
  account text not null default '',
  amount_fen bigint not null check (amount_fen > 0),
  paid_on text not null,
  imported_by text not null,
  imported_at bigint not null,
  unique (source, line)
);
create index legacy_payment_claim on legacy_payment (claim_key);

-- What lay in an account on the day of the switch-over.
create table opening_balance (
  id {identity},
  source text not null,
  line bigint not null,
  department text not null references department (code),
  project text not null references project (code),
  year bigint not null,
  kind text not null check (kind in ('zero_balance', 'suspense:correctable', 'suspense:ineligible', 'suspense:unknown')),
  amount_fen bigint not null check (amount_fen > 0),
  as_of text not null,
  note text not null default '',
  proposed_by text not null,
  approved_by text not null,
  unique (source, line),
  check (proposed_by <> approved_by)
);

-- Cases.

alter table failure_case add column reminded bigint not null default 0;
alter table failure_case add column remind_at bigint;
alter table failure_case add column escalated_at bigint;
alter table failure_case add column money_on text not null default '';
alter table failure_case add column assignee text not null default '';
alter table failure_case add column note text not null default '';
-- The instruction of a reissue that is on its way: kept by whoever makes its block of numbers.
alter table failure_case add column successor bigint;

-- Who was put on the list of those who may not be paid, until nothing of theirs is under way: kept by triggers, so that
-- nobody has to compare the whole list with all payments again and again.
create table ineligible_news (
  id_number text not null,
  project text not null,
  is_open bigint not null default 1 check (is_open in (0, 1)),
  primary key (id_number, project)
);
create index ineligible_news_open on ineligible_news (id_number) where is_open = 1;
insert into ineligible_news (id_number, project) select id_number, project from ineligible;
-- What was paid to somebody: by the person entitled, and by who received it where that is somebody else.
create index payment_entitled on payment (entitled_id);
create index payment_payee on payment (payee_id) where payee_id <> entitled_id;
-- What pays an instruction again, live or not.
create index instruction_previous on instruction (previous_id) where previous_id is not null;
create index payment_reissue on payment (reissue_of) where reissue_of <> '';

-- A correction workbook that went out, and those that came back.
create table correction (
  id {identity},
  department text not null references department (code),
  sha256 text not null unique,
  name text not null,
  rows bigint not null,
  accepted bigint not null,
  batch text not null default '',
  imported_by text not null,
  imported_at bigint not null
);

-- What remains of a partly paid or partly returned instruction: a claim of its own, behind the same approval.
create table remainder (
  instruction_id bigint primary key,
  file_out bigint not null,
  batch text not null,
  state text not null,
  amount_fen bigint not null check (amount_fen > 0),
  reason text not null,
  class text not null,
  since bigint not null
){fill};
create index remainder_batch on remainder (batch);

-- What was sent back, on record from the first word of it: said again, it counts once. It takes effect where a success stands,
-- and waits for that success where none does.
create table waiting_return (
  instruction_id bigint primary key,
  file_out bigint not null,
  -- Who said so: a line of a bank's file, or a credit on a statement, or both.
  file_in bigint,
  line bigint,
  statement bigint,
  statement_line bigint,
  -- The day the money came back.
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
create index waiting_return_file on waiting_return (file_out) where settled_at is null;
create index instruction_state_returned on instruction_state (file_out) where state = 'returned';

-- Refund to the treasury.

-- Its number is taken from the instructions', so that a reference (BG…) at a bank or on a statement means one thing.
create table refund_order (
  id bigint primary key,
  number text not null unique,
  department text not null references department (code),
  project text not null references project (code),
  year bigint not null,
  bank text not null references bank (code),
  agreement text not null references agreement (number),
  budget_line text not null,
  voucher text not null,
  why text not null check (why in ('ineligible', 'not_fixed_in_year', 'earlier_year')),
  funds_model text not null check (funds_model in ('quota', 'cash')),
  -- What must be seen before it counts: a receipt of the restored quota, or the debit on the statement.
  proof text not null check (proof in ('receipt', 'statement')),
  month text not null default '',
  lines bigint not null check (lines > 0),
  amount_fen bigint not null check (amount_fen > 0),
  state text not null check (state in ('proposed', 'approved', 'sent', 'accepted', 'executed', 'refunded', 'refused', 'cancelled')),
  proposal bigint,
  proposed_by text not null,
  approved_by text not null default '',
  file_out bigint,
  statement bigint,
  statement_line bigint,
  receipt text not null default '',
  reason text not null default '',
  created_at bigint not null,
  approved_at bigint,
  sent_at bigint,
  refunded_at bigint,
  check (approved_by = '' or approved_by <> proposed_by)
){fill};
create index refund_order_open on refund_order (state) where state not in ('refunded', 'refused', 'cancelled');
create index refund_order_purse on refund_order (department, project, year);

create table refund_line (
  refund_order bigint not null references refund_order (id),
  line bigint not null,
  instruction_id bigint not null,
  -- 0: the whole instruction; 1: its remainder.
  part bigint not null default 0 check (part in (0, 1)),
  case_id bigint,
  amount_fen bigint not null check (amount_fen > 0),
  live bigint not null default 1 check (live in (0, 1)),
  primary key (refund_order, line)
);
create unique index refund_line_live on refund_line (instruction_id, part) where live = 1;

-- Files: what kind of file of ours it is. A refund file carries one order: first_id = last_id = the order's number.
alter table file_out add column kind text not null default 'instruction' check (kind in ('instruction', 'refund'));

alter table entry add column refund_order bigint;
alter table entry add column opening bigint;
alter table entry add column statement bigint;
create unique index entry_opening on entry (opening) where opening is not null;
-- The journal is read in the order of time.
create index entry_at on entry (at, id);
-- The day's own rows of the chain.
create index audit_day on audit (id) where act = 'day';

-- Reconciliation.

create table statement_match (
  id {identity},
  statement bigint not null references statement (id),
  line bigint not null,
  -- What it is: an instruction, a file's lump, a refund order, funding, a return, a recovery; or a fee, or what a person said.
  kind text not null check (kind in ('instruction', 'file', 'refund', 'funding', 'return', 'return_file', 'recovery', 'credit_back', 'credit_back_file', 'other')),
  subject bigint not null,
  amount_fen bigint not null check (amount_fen > 0),
  how text not null check (how in ('reference', 'file', 'amount', 'manual')),
  proposal bigint,
  reason text not null default '',
  run bigint,
  at bigint not null
);
-- A line is one thing.
create unique index statement_match_line on statement_match (statement, line);
create index statement_match_subject on statement_match (kind, subject);

-- Statements of which every line is explained, and files of which every fen was seen: looked at again only when a later
-- entry moves the file's money.
create table reconciled (
  kind text not null check (kind in ('statement', 'file')),
  subject bigint not null,
  entry bigint not null default 0,
  primary key (kind, subject)
){fill};

-- What of an account was last looked at: nothing newer, nothing to do.
create table reconcile_mark (
  bank text not null,
  account text not null,
  pulse text not null,
  primary key (bank, account)
){fill};

create index entry_file on entry (file_out) where file_out is not null;

create table reconcile_run (
  id {identity},
  at bigint not null,
  bank text not null,
  account text not null,
  on_date text not null,
  verdict text not null check (verdict in ('INCOMPLETE', 'BREAKS', 'PENDING', 'RECONCILED')),
  opening_fen bigint,
  closing_fen bigint,
  residual_fen bigint not null,
  lines bigint not null,
  matched bigint not null,
  breaks bigint not null,
  report text not null,
  sha256 text not null
);
create index reconcile_run_day on reconcile_run (account, on_date, id);

create table break_item (
  id {identity},
  key text not null,
  bank text not null,
  account text not null,
  on_date text not null,
  kind text not null check (kind in ('missing_at_bank', 'missing_here', 'amount', 'fee_charged', 'duplicate_debit', 'returned', 'stale')),
  statement bigint,
  line bigint,
  subject text not null default '',
  expected_fen bigint,
  found_fen bigint,
  what text not null,
  next_step text not null,
  candidates text not null default '',
  owner text not null check (owner in ('department', 'finance', 'operator', 'bank')),
  grace_until text not null,
  due_on text not null,
  state text not null default 'open' check (state in ('open', 'closed')),
  opened_at bigint not null,
  closed_at bigint,
  closed_as text not null default ''
);
create unique index break_item_open on break_item (key) where state = 'open';
create index break_item_account on break_item (account, on_date);

-- Closing.

create table period_close (
  id {identity},
  scope text not null check (scope in ('month', 'year')),
  period text not null,
  department text not null references department (code),
  project text not null references project (code),
  close_on text not null,
  -- The cut: entries up to this number belong to it, from behind the cut before.
  from_entry bigint not null,
  to_entry bigint not null,
  state text not null check (state in ('open', 'refunding', 'sealed')),
  number text not null default '',
  figures text not null default '',
  sha256 text not null default '',
  audit_head text not null default '',
  opened_at bigint not null,
  sealed_at bigint,
  unique (scope, period, department, project)
);

-- What lay where at the cut, line by line: states move on, so the subledger of a cut is written down with it. A file whose
-- lines all stand alike is one row (instruction 0).
create table period_item (
  period bigint not null references period_close (id),
  kind text not null check (kind in ('ineligible', 'correctable', 'unknown', 'in_flight', 'lapsed')),
  year bigint not null,
  file_out bigint not null,
  instruction_id bigint not null,
  part bigint not null default 0 check (part in (0, 1)),
  lines bigint not null,
  amount_fen bigint not null,
  state text not null,
  reason text not null,
  class text not null,
  batch text not null,
  case_id bigint not null default 0,
  primary key (period, kind, file_out, instruction_id, part)
);
-- A balance at a cut is a sum over an account's postings up to a number.
create index posting_account_entry on posting (account, entry);
-- By which orders a payment's money went back, refused ones too.
create index refund_line_instruction on refund_line (instruction_id);

-- Publication (再公示) and what must come.

create table publication (
  id {identity},
  batch text not null unique references batch (number),
  -- The day on which people were first credited, and five calendar days later; empty until then.
  paid_on text not null default '',
  due_on text not null default '',
  state text not null check (state in ('due', 'made', 'verified', 'differs')),
  edition bigint not null default 0,
  rows bigint not null default 0,
  amount_fen bigint not null default 0,
  sha256 text not null default '',
  problems text not null default '',
  made_at bigint,
  checked_at bigint,
  -- When the department put it up in the villages, and who said so.
  posted_on text not null default '',
  posted_by text not null default ''
);
create index publication_open on publication (state) where state <> 'verified';
create index publication_unposted on publication (due_on) where posted_on = '';
create index admission_decided on admission (decided_at);

create table expected_file (
  id {identity},
  bank text not null,
  kind text not null check (kind in ('ack', 'result', 'statement', 'receipt')),
  -- The file of ours that it answers, or the account and day of a statement.
  subject text not null,
  on_date text not null,
  due_at bigint not null,
  came_at bigint,
  file_in bigint,
  told_at bigint,
  enquired_at bigint,
  unique (bank, kind, subject, on_date)
);
create index expected_file_open on expected_file (due_at) where came_at is null;
-- The picture of the last days.
create index expected_file_day on expected_file (on_date);

create table enquiry (
  id {identity},
  bank text not null,
  file_out bigint not null,
  asked_on text not null,
  dir text not null,
  name text not null,
  sha256 text not null,
  state text not null check (state in ('planned', 'uploading', 'sent', 'held')),
  attempt bigint not null default 0,
  created_at bigint not null,
  sent_at bigint,
  unique (file_out, asked_on)
);
create index enquiry_open on enquiry (bank) where state in ('planned', 'uploading');
