-- Where the author writes from. It has a default, so that a version of the API that does not know it can go on writing.
ALTER TABLE entries ADD COLUMN place TEXT NOT NULL DEFAULT '';
