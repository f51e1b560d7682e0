-- What a profile declares beyond the common values is agreed with the bank: a JSON object of texts.
alter table agreement add column extra text not null default '' check (extra = '' or (json_valid(extra) and json_type(extra) = 'object'));
