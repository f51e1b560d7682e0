-- What the passes ask for at each round is found without reading what is over and done with (tests/it/stories/history.rs).
create index incident_kind on incident (kind) where state = 'open';
create index admission_unlisted on admission (decided_at) where state = 'admitted' and completed_mail is null;
create index period_close_unsealed on period_close (period) where state <> 'sealed';
create index period_close_month on period_close (department, project, period) where scope = 'month';
