alter table refund_line drop constraint refund_line_part_check;
alter table period_item drop constraint period_item_part_check;
