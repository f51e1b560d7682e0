-- An answer that will not come: a person said so, and why.
alter table expected_file add column waived_at bigint;
alter table expected_file add column waived_why text not null default '';
