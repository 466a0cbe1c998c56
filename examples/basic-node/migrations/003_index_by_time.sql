-- stagecraft: post
-- stagecraft: no-transaction
-- Built while notes are written, which PostgreSQL does not do inside a transaction.
CREATE INDEX CONCURRENTLY IF NOT EXISTS notes_by_time ON notes (pinned DESC, created_at DESC, id DESC);
