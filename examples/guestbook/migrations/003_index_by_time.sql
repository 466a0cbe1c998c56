-- stagecraft: post
-- Only speeds up reading; it runs once the new version serves.
CREATE INDEX entries_by_time ON entries (created_at DESC, id DESC);
