-- What a profile declares beyond the common values is agreed with the bank: a JSON object of texts.
alter table agreement add column extra text not null default '' check (extra = '' or jsonb_typeof(extra::jsonb) = 'object');
