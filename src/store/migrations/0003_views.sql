create view v_instruction as
select i.id, i.payment_id, i.root_payment_id, i.previous_id, i.attempt, i.live, i.batch, i.amount_fen,
  t.agreement, t.bank, t.kind as tranche_kind, f.id as file_out, f.name as file_name, i.id - f.first_id + 1 as line,
  coalesce(s.state, f.lines_state, 'pending') as state,
  coalesce(s.reason, '') as reason, coalesce(s.class, '') as class, coalesce(s.raw_code, '') as raw_code,
  coalesce(s.raw_text, '') as raw_text, coalesce(s.bank_ref, '') as bank_ref
from instruction i
join tranche t on t.first_id = (select max(t2.first_id) from tranche t2 where t2.first_id <= i.id)
left join file_out f on f.id = (select f2.id from file_out f2 where f2.first_id <= i.id and f2.first_id >= t.first_id and f2.last_id >= i.id and f2.state not in ('voided', 'abandoned') order by f2.first_id desc limit 1)
left join instruction_state s on s.instruction_id = i.id;

create view v_batch as
select b.number, b.kind, b.department, b.project, b.period, b.pay_on, b.declared_count, {yuan b.declared_fen} as declared_yuan,
  coalesce(a.state, case when b.released_at is null then 'unreleased' else 'released' end) as state,
  coalesce(a.reasons, '') as reasons, coalesce(a.admitted_count, 0) as admitted_count, {yuan coalesce(a.admitted_fen, 0)} as admitted_yuan,
  coalesce(a.rejected_count, 0) as rejected_count, {yuan coalesce(a.rejected_fen, 0)} as rejected_yuan,
  {local b.released_at} as released_at, {local a.decided_at} as decided_at
from batch b left join admission a on a.batch = b.number;

create view v_payment as
select p.batch, p.seq, p.township, p.village, p.entitled_name, p.payee_name, {yuan p.amount_fen} as amount_yuan, v.attempt,
  case
    when c.id is not null and coalesce(v.state, 'voided') = 'voided' then 'rejected'
    when v.id is not null then v.state
    when a.state is null then 'waiting'
    else a.state
  end as state,
  coalesce(v.reason, c.reason, '') as reason, v.file_name, v.line, v.bank,
  v.id as instruction, {reference v.id} as reference
from payment p
left join admission a on a.batch = p.batch
left join v_instruction v on v.id = (select max(i.id) from instruction i where i.payment_id = p.id)
left join failure_case c on c.payment_id = p.id and c.kind = 'rejected';

create view v_case as
select c.id, c.kind, c.batch, p.seq, c.department, c.bank, {yuan c.amount_fen} as amount_yuan, c.reason, c.class, c.owner, c.state,
  c.business_date, c.due_on, c.money_on, case when c.successor is null then '' else {reference c.successor} end as reissued_by, c.reminded, c.assignee, c.note, c.detail, {local c.opened_at} as opened_at, {local c.closed_at} as closed_at, c.closed_as
from failure_case c join payment p on p.id = c.payment_id;

create view v_statement as
select s.id, s.bank, s.account, s.from_date, s.to_date, {yuan s.opening_fen} as opening_yuan, {yuan s.closing_fen} as closing_yuan,
  s.entries, s.problems from statement s;

create view v_refund as
select r.number, {reference r.id} as reference, r.department, r.project, r.year, r.bank, r.budget_line, r.voucher, r.why, r.funds_model, r.proof, r.month,
  r.lines, {yuan r.amount_fen} as amount_yuan, r.state, r.proposed_by, r.approved_by, r.receipt, {local r.created_at} as created_at,
  {local r.sent_at} as sent_at, {local r.refunded_at} as refunded_at
from refund_order r;
