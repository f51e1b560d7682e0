-- What a round or a day asks for is found without reading what is over and done with (tests/it/stories/history.rs).

-- Batches that somebody released and the gate has neither admitted nor sent back since; a trigger on `batch` brings them here.
create table at_gate (
  batch text primary key,
  -- Told by its release, so that one that goes back while it is released again stays here.
  released_at bigint not null
){fill};
insert into at_gate (batch, released_at) select b.number, b.released_at from batch b left join admission a on a.batch = b.number
  where b.released_at is not null and (a.batch is null or a.state = 'held' or (a.state = 'returned' and b.released_at > a.decided_at));
create index batch_reissue on batch (project, period) where kind = 'reissue';

-- What reconciliation has still to see: files with an entry that is newer than the one it saw, statements with a line that
-- nothing explains.
alter table reconciled add column newest bigint not null default 0;
alter table reconciled add column unseen bigint not null default 0 check (unseen in (0, 1));
insert into reconciled (kind, subject, entry, unseen) select 'file', f.id, -1, 1 from file_out f
  where f.kind = 'instruction' and not exists (select 1 from reconciled r where r.kind = 'file' and r.subject = f.id);
insert into reconciled (kind, subject, unseen) select 'statement', s.id, 1 from statement s
  where s.problems = '' and not exists (select 1 from reconciled r where r.kind = 'statement' and r.subject = s.id);
update reconciled set newest = coalesce((select max(e.id) from entry e where e.file_out = reconciled.subject), 0) where kind = 'file';
update reconciled set unseen = 1 where kind = 'file' and newest > entry;
create index reconciled_unseen on reconciled (kind, subject) where unseen = 1;

-- A file's newest entry is the last of its own, not the first of all that happens to be its.
drop index entry_file;
create index entry_file on entry (file_out, id) where file_out is not null;
create index entry_of_no_file on entry (id) where file_out is null;

drop index audit_day;
create index audit_act on audit (act, id);
create index file_in_seen on file_in (seen_at);
create index file_out_sent on file_out (sent_at) where sent_at is not null;
create index file_out_answered on file_out (bank, answered_at) where state = 'answered';
-- Two banks may number an account alike.
drop index statement_account;
create index statement_account on statement (bank, account, to_date);
create index statement_faulty on statement (bank, account) where problems <> '';
create index incident_last on incident (last_at);
