-- An opening balance is booked once, and once more when its money has gone back to the treasury.
drop index entry_opening;
create unique index entry_opening on entry (opening, kind) where opening is not null;
