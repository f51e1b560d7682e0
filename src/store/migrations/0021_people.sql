-- An identity number is the same whether its X is printed large or small: who was paid is looked up without regard to it.
drop index payment_entitled;
drop index payment_payee;
create index payment_entitled on payment (upper(entitled_id));
create index payment_payee on payment (upper(payee_id)) where upper(payee_id) <> upper(entitled_id);
