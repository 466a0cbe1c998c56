-- The default lets a version of the API that does not know the column go on writing.
ALTER TABLE notes ADD COLUMN pinned BOOLEAN NOT NULL DEFAULT false;
