-- Behind the triggers: what is recorded while this runs waits for them.
insert into funding_to_book (funding) select f.id from funding f where not exists (select 1 from entry e where e.funding = f.id);
-- Version 14 looked before its trigger was there: a batch that was released between the two did not come to the gate.
insert into at_gate (batch, released_at) select b.number, b.released_at from batch b left join admission a on a.batch = b.number
  where b.released_at is not null and (a.batch is null or a.state = 'held' or (a.state = 'returned' and b.released_at > a.decided_at))
    and not exists (select 1 from at_gate g where g.batch = b.number);
