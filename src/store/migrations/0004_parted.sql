-- What was paid of a parted instruction may come back and be paid again while what remains of it is paid again too: one
-- successor for each, and not one for both. The claim of what remains is the instruction's number, negative.
drop index instruction_successor;
create unique index instruction_successor on instruction (previous_id, (case when claim_key = -previous_id then 1 else 0 end))
  where previous_id is not null and live = 1;
-- Who may have been paid twice: looked up when a claim comes free.
create index failure_case_double on failure_case (instruction_id) where state = 'open' and kind = 'double_payment_suspected';
