-- What a seal has seen ends at an entry's number, as a cut does: clocks of two nodes, or of a pass that began earlier, say nothing of it.
-- A period that was sealed before has none, and its time stands for it.
alter table period_close add column sealed_entry bigint;
create index entry_refund_order on entry (refund_order) where refund_order is not null;
