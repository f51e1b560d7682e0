insert into database_identity (id) values (lower(hex(randomblob(16))));
