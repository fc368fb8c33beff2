-- By hand: an answer repeats the most of its request, so lz4 makes 1.0 of 2.7 kB, in less time than it takes to write the rest. Rows stay in
-- their page: MAIN columns leave it only where a row has no room in one. Rows that are there stay as they are. Where the server knows no
-- lz4, as the embedded engine, or a Citus coordinator refuses the change, all rows do.
DO $$
BEGIN
  EXECUTE 'ALTER TABLE "request_log" ALTER COLUMN "bodies" SET COMPRESSION lz4, ALTER COLUMN "entry" SET COMPRESSION lz4, ALTER COLUMN "bodies" SET STORAGE MAIN, ALTER COLUMN "entry" SET STORAGE MAIN, ALTER COLUMN "terms" SET STORAGE MAIN';
  EXECUTE 'ALTER TABLE "request_log" RESET (toast_tuple_target)';
EXCEPTION WHEN feature_not_supported OR invalid_parameter_value THEN
  NULL;
END
$$;
