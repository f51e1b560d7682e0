-- Intake contract: the platform writes these, bankgate reads them (docs/DATABASE.md).

create table department (
  code text primary key,
  name text not null,
  level text not null default 'county' check (level in ('city', 'county')),
  region text not null default '',
  mail text not null default ''
);

create table operator (
  login text primary key,
  name text not null,
  role text not null check (role in ('finance_it', 'finance', 'department', 'auditor')),
  department text not null default '',
  active bigint not null default 1 check (active in (0, 1))
);

create table project (
  code text primary key,
  name text not null,
  short_name text not null,
  payee_kind text not null default 'individual' check (payee_kind in ('individual', 'household')),
  several_per_period bigint not null default 0 check (several_per_period in (0, 1)),
  valid_from text not null default '2000-01-01',
  valid_to text not null default '2999-12-31'
);

create table bank (
  code text primary key,
  name text not null,
  clearing_no text not null default '',
  contacts text not null default '',
  mode text not null default 'live' check (mode in ('live', 'shadow', 'paused'))
);

create table agreement (
  number text primary key,
  department text not null references department (code),
  bank text not null references bank (code),
  payer_account text not null,
  payer_name text not null,
  payer_bank text not null default '',
  unit_no text not null default '',
  profile text not null,
  rows_max bigint not null default 0 check (rows_max >= 0),
  amount_max_fen bigint not null default 0 check (amount_max_fen >= 0),
  cutoff text not null default '16:30',
  feedback_days bigint not null default 3 check (feedback_days > 0),
  reconciliation text not null default 'statement',
  debit_model text not null default 'net' check (debit_model in ('net', 'gross', 'gross_checked_upfront')),
  funds_model text not null default 'quota' check (funds_model in ('quota', 'cash')),
  other_banks bigint not null default 0 check (other_banks in (0, 1)),
  valid_from text not null default '2000-01-01',
  valid_to text not null default '2999-12-31'
);
create index agreement_department on agreement (department);

create table batch (
  number text primary key,
  kind text not null check (kind in ('first', 'reissue')),
  department text not null references department (code),
  project text not null references project (code),
  period text not null,
  pay_on text not null,
  declared_count bigint not null,
  declared_fen bigint not null,
  maker text not null default '',
  approver text not null default '',
  finance_reviewer text not null default '',
  released_by text not null default '',
  released_at bigint,
  budget_line text not null default '',
  voucher text not null default '',
  digest text not null default '',
  created_at bigint not null
);
create index batch_released on batch (released_at);

create table payment (
  id {identity},
  batch text not null references batch (number),
  seq bigint not null,
  township text not null default '',
  village text not null default '',
  village_group text not null default '',
  household_no text not null default '',
  entitled_name text not null default '',
  entitled_id text not null default '',
  payee_name text not null default '',
  payee_id text not null default '',
  payee_role text not null default 'self',
  mandate_no text not null default '',
  account text not null default '',
  bank text not null default '',
  mobile text not null default '',
  amount_fen bigint not null,
  remark text not null default '',
  reissue_of text not null default '',
  unique (batch, seq)
);

create table funding (
  id {identity},
  department text not null references department (code),
  project text not null references project (code),
  year bigint not null,
  budget_line text not null default '',
  funds_model text not null default 'quota' check (funds_model in ('quota', 'cash')),
  amount_fen bigint not null check (amount_fen > 0),
  arrived_at bigint not null
);

create table ineligible (
  id_number text not null,
  project text not null default '',
  reason text not null default 'INELIGIBLE',
  from_date text not null,
  primary key (id_number, project)
);

-- The gateway's own. Nothing here is deleted.

-- Numbers handed out in blocks; a gap is harmless, a repeat is not possible.
create table counter (
  name text primary key,
  next bigint not null
);

-- What became of a batch at the gate.
create table admission (
  batch text primary key references batch (number),
  state text not null check (state in ('admitted', 'held', 'returned')),
  digest text not null,
  year bigint not null,
  reasons text not null default '',
  admitted_count bigint not null default 0,
  admitted_fen bigint not null default 0,
  rejected_count bigint not null default 0,
  rejected_fen bigint not null default 0,
  completed_mail bigint,
  decided_at bigint not null
);
create index admission_open on admission (state) where state <> 'returned';

-- Admitted rows of one batch for one agreement, in one unbroken block of instruction numbers: a file is a range of them.
create table tranche (
  id {identity},
  batch text not null references batch (number),
  agreement text not null references agreement (number),
  bank text not null references bank (code),
  kind text not null check (kind in ('first', 'retry', 'reissue')),
  first_id bigint not null,
  next_id bigint not null,
  last_id bigint not null,
  open_fen bigint not null check (open_fen >= 0),
  not_before text not null,
  created_at bigint not null,
  check (first_id <= next_id and next_id <= last_id + 1)
);
create index tranche_open on tranche (bank) where next_id <= last_id;
create index tranche_batch on tranche (batch);
create unique index tranche_block on tranche (first_id);

-- One attempt to pay one payment: what the bank will be told, copied when it was admitted and never changed.
-- `live` is the claim of law 1. The state lives beside it, in instruction_state and file_out (see store/README.md).
create table instruction (
  id bigint primary key,
  payment_id bigint not null,
  root_payment_id bigint not null,
  previous_id bigint,
  attempt bigint not null default 1,
  claim_key bigint not null,
  live bigint not null default 1 check (live in (0, 1)),
  batch text not null,
  payee_name text not null,
  payee_id text not null,
  account text not null,
  bank_code text not null,
  mobile text not null,
  amount_fen bigint not null check (amount_fen > 0),
  remark text not null,
  ordinal bigint not null default 1
){fill};
-- Law 1: one live claim per entitlement, across batches, banks and years.
create unique index instruction_claim on instruction (claim_key) where live = 1;
-- What became of a payment: v_payment looks here.
create index instruction_payment on instruction (payment_id);
-- A failed instruction is paid again once.
create unique index instruction_successor on instruction (previous_id) where previous_id is not null and live = 1;

create table file_out (
  id {identity},
  bank text not null references bank (code),
  agreement text not null references agreement (number),
  tranche bigint not null references tranche (id),
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
  -- What every line of the file is that has no row of its own in instruction_state.
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
  check (last_id - first_id + 1 = rows)
){fill};
-- Law 3: a path is used once. A bank whose path recurs gives it back once the file is answered.
create unique index file_out_path on file_out (bank, path_taken);
create unique index file_out_seq on file_out (bank, business_date, seq_no);
create index file_out_key on file_out (bank, exchange_key);
create index file_out_open on file_out (bank, state) where state not in ('answered', 'refused', 'voided', 'abandoned');
create index file_out_range on file_out (first_id);
create index file_out_batch on file_out (batch);

-- Lines that stand otherwise than their file says: the exceptions. A file of a million lines of which two in a hundred
-- failed has twenty thousand rows here, and not a million.
create table instruction_state (
  instruction_id bigint primary key,
  file_out bigint not null,
  batch text not null,
  state text not null,
  amount_fen bigint not null,
  paid_fen bigint not null default 0,
  returned_fen bigint not null default 0,
  reason text not null default '',
  class text not null default '',
  raw_code text not null default '',
  raw_text text not null default '',
  bank_ref text not null default '',
  file_in bigint,
  line bigint,
  since bigint not null
){fill};
create index instruction_state_file on instruction_state (file_out, state);
create index instruction_state_batch on instruction_state (batch);
create index instruction_state_due on instruction_state (state) where state in ('failed', 'failed_final', 'unknown', 'conflict');

-- The rules of domain/instruction.rs, loaded at start: bulk SQL joins them.
create table transition (
  state text not null,
  event text not null,
  next text not null,
  primary key (state, event)
);

create table file_in (
  id {identity},
  bank text not null references bank (code),
  profile text not null,
  profile_digest text not null,
  kind text not null,
  role text not null,
  dir text not null,
  name text not null,
  exchange_key text not null,
  sha256 text not null,
  bytes bigint not null,
  archive text not null,
  file_out bigint,
  answer_set bigint,
  state text not null,
  problems text not null default '',
  moved bigint not null default 0,
  seen_at bigint not null,
  updated_at bigint not null
);
create unique index file_in_identity on file_in (bank, profile, dir, name, exchange_key, sha256);
create index file_in_open on file_in (bank, state) where state in ('archived', 'staged', 'quarantined', 'conflict');
create index file_in_unmoved on file_in (bank) where moved = 0;
create index file_in_key on file_in (bank, kind, exchange_key);
create index file_in_file_out on file_in (file_out);

-- What a bank's file says, line by line, as it stood. Append-only; without indexes beyond its key, so that a million
-- lines are one COPY.
create table answer_line (
  file_in bigint not null,
  line bigint not null,
  instruction_id bigint,
  seq bigint,
  payee_name text not null,
  id_number text not null,
  account text not null,
  amount_fen bigint,
  paid_fen bigint,
  outcome text not null,
  is_final bigint not null,
  reason text not null,
  class text not null,
  raw_code text not null,
  raw_text text not null,
  bank_ref text not null,
  on_date text not null,
  primary key (file_in, line)
);

-- One final answer of a kind counts: for a whole file (instruction 0) or for one line of it.
create table final_answer (
  file_out bigint not null,
  instruction_id bigint not null,
  kind text not null,
  file_in bigint not null,
  primary key (file_out, instruction_id, kind)
);

create table event (
  id {identity},
  at bigint not null,
  subject text not null,
  subject_id bigint not null,
  what text not null,
  from_state text not null default '',
  to_state text not null default '',
  actor text not null,
  detail text not null default ''
);
create index event_subject on event (subject, subject_id);

create table account (
  id {identity},
  department text not null,
  project text not null,
  year bigint not null,
  kind text not null,
  bank text not null,
  free_sign bigint not null,
  balance_fen bigint not null default 0,
  unique (department, project, year, kind, bank),
  -- Nothing that we do drives an account below zero.
  check (free_sign = 1 or balance_fen >= 0)
){fill};

create table entry (
  id {identity},
  at bigint not null,
  kind text not null,
  batch text not null default '',
  file_out bigint,
  file_in bigint,
  funding bigint,
  lines bigint not null default 0
);
create index entry_batch on entry (batch);
create unique index entry_funding on entry (funding) where funding is not null;

create table posting (
  entry bigint not null references entry (id),
  account bigint not null references account (id),
  amount_fen bigint not null check (amount_fen <> 0),
  primary key (entry, account)
);
create index posting_account on posting (account);

create table failure_case (
  id {identity},
  kind text not null check (kind in ('rejected', 'failed', 'returned', 'unknown', 'conflict', 'double_payment_suspected', 'unmapped_reason')),
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
  closed_as text not null default ''
);
create index failure_case_batch on failure_case (batch);
create unique index failure_case_once on failure_case (payment_id, kind) where instruction_id is null;
create unique index failure_case_instruction on failure_case (instruction_id, kind) where instruction_id is not null;
create index failure_case_unmailed on failure_case (department) where mail is null;
create index failure_case_open on failure_case (state, due_on) where state = 'open';

create table statement (
  id {identity},
  bank text not null,
  account text not null,
  from_date text not null,
  to_date text not null,
  opening_fen bigint,
  closing_fen bigint,
  entries bigint not null,
  file_in bigint not null unique,
  problems text not null default ''
);
create index statement_account on statement (account, to_date);

create table statement_line (
  statement bigint not null references statement (id),
  line bigint not null,
  on_date text not null,
  side text not null check (side in ('credit', 'debit')),
  amount_fen bigint not null,
  reference text not null,
  bank_ref text not null,
  counter_account text not null,
  counter_name text not null,
  words text not null,
  primary key (statement, line)
);

create table outbox_mail (
  id {identity},
  dedup_key text not null unique,
  message_id text not null unique,
  kind text not null,
  recipients text not null,
  subject text not null,
  eml {bytes} not null,
  state text not null check (state in ('queued', 'sending', 'sent', 'bounced', 'doubt')),
  attempts bigint not null default 0,
  next_at bigint not null,
  last_error text not null default '',
  created_at bigint not null,
  sent_at bigint
);
create index outbox_mail_due on outbox_mail (next_at) where state in ('queued', 'sending');

-- One alarm per incident: the same thing again only counts up.
create table incident (
  id {identity},
  key text not null,
  kind text not null,
  bank text not null default '',
  what text not null,
  next_step text not null,
  times bigint not null default 1,
  state text not null default 'open' check (state in ('open', 'closed')),
  first_at bigint not null,
  last_at bigint not null,
  mail bigint
);
create unique index incident_open on incident (key) where state = 'open';
create index incident_unmailed on incident (state) where mail is null;

create table proposal (
  id {identity},
  act text not null,
  subject text not null,
  reason text not null,
  effect text not null,
  effect_hash text not null,
  proposed_by text not null,
  proposed_at bigint not null,
  approved_by text not null default '',
  approved_at bigint,
  state text not null default 'open' check (state in ('open', 'done', 'withdrawn')),
  check (state <> 'done' or (approved_by <> '' and approved_by <> proposed_by))
);

create table lease (
  bank text primary key,
  holder text not null,
  fence bigint not null,
  expires_at bigint not null
);

-- What is known of a bank's edge between runs: how long to leave it alone after trouble.
create table edge (
  bank text primary key,
  failures bigint not null default 0,
  next_at bigint not null default 0,
  last_error text not null default '',
  -- The fence whose holder last swept condemned parts away.
  swept_fence bigint not null default 0
);

-- What a listing showed, so that "stable twice" survives a restart.
create table sighting (
  bank text not null,
  path text not null,
  bytes bigint not null,
  modified_s bigint not null,
  seen_at bigint not null,
  file_in bigint,
  primary key (bank, path)
);

create table audit (
  id {identity},
  at bigint not null,
  actor text not null,
  act text not null,
  subject text not null,
  detail text not null,
  previous text not null,
  hash text not null unique
);
