create trigger batch_made_to_gate after insert on batch when new.released_at is not null begin
  delete from at_gate where batch = new.number;
  insert into at_gate (batch, released_at) values (new.number, new.released_at);
end;
create trigger batch_released_to_gate after update of released_at on batch when new.released_at is not null begin
  delete from at_gate where batch = new.number;
  insert into at_gate (batch, released_at) values (new.number, new.released_at);
end;
