-- A batch gets its publication with its admission, so that no round asks the admissions of months which of them has none yet.
insert into publication (batch, state) select a.batch, 'due' from admission a
  where a.state = 'admitted' and a.decided_at >= (select max(l.decided_at) from admission l) - 10368000000
    and not exists (select 1 from publication p where p.batch = a.batch);
