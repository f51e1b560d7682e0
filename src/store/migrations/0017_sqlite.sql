create trigger funding_made_to_book after insert on funding begin
  -- A number whose arrival was taken out again is given anew.
  insert into funding_to_book (funding) values (new.id) on conflict (funding) do nothing;
end;
