-- A row of more than 2 kB is made smaller by PostgreSQL, the longest column first: let it be what is searched, which few read,
-- and the document stay as it is, which every answer is made of.
ALTER TABLE "resources" ALTER COLUMN "document" SET STORAGE MAIN;
