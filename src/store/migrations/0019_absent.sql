-- When a file that may be out was looked for at the bank and nothing of it was there any more: a word of the bank that it has no copy
-- counts only behind that.
alter table file_out add column absent_at bigint;
