// The API of the example: notes in PostgreSQL, a visit counter in Redis.
//
//   GET  /api/notes    the newest 50
//   POST /api/notes    {"text": "..."}
//   POST /api/visits   counts one visit and returns the count
//   GET  /healthz      200 while both stores answer

import { createServer } from "node:http";
import pg from "pg";
import { createClient } from "redis";

const PORT = Number(process.env.PORT ?? 4000);
const VERSION = process.env.VERSION ?? "dev";
const BODY_LIMIT = 16 * 1024;
const TEXT_LIMIT = 280;
const DRAIN_MS = 8000; // shorter than stop_grace_period in docker-compose.yml

const database = new pg.Pool({
  connectionString: process.env.DATABASE_URL ?? "postgres://app:app@127.0.0.1:5432/app",
  connectionTimeoutMillis: 2000,
});
const redis = createClient({
  url: process.env.REDIS_URL ?? "redis://127.0.0.1:6379",
  disableOfflineQueue: true, // while Redis is away, fail at once instead of waiting for it
});

// both reconnect by themselves; without a listener the process would end
database.on("error", (error) => console.error(`postgres: ${error.message}`));
redis.on("error", (error) => console.error(`redis: ${error.message}`));

class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const routes = {
  "GET /healthz": async () => {
    await Promise.all([database.query("SELECT 1 FROM notes LIMIT 1"), redis.ping()]);
    return [200, { status: "ok", version: VERSION }];
  },
  "GET /api/notes": async () => {
    const { rows } = await database.query(
      "SELECT id, text, pinned, created_at FROM notes ORDER BY pinned DESC, created_at DESC, id DESC LIMIT 50",
    );
    return [200, rows];
  },
  "POST /api/notes": async (request) => {
    const { text } = await jsonBody(request);
    if (typeof text !== "string" || !text.trim()) throw new Refused(400, "text is missing");
    if (text.length > TEXT_LIMIT) throw new Refused(400, `text is longer than ${TEXT_LIMIT} characters`);
    const { rows } = await database.query(
      "INSERT INTO notes (text) VALUES ($1) RETURNING id, text, pinned, created_at",
      [text.trim()],
    );
    return [201, rows[0]];
  },
  "POST /api/visits": async () => [200, { visits: await redis.incr("visits") }],
};

async function jsonBody(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > BODY_LIMIT) throw new Refused(413, `the body is longer than ${BODY_LIMIT} bytes`);
    chunks.push(chunk);
  }
  try {
    return Object(JSON.parse(Buffer.concat(chunks).toString()));
  } catch {
    throw new Refused(400, "the body is not JSON");
  }
}

async function answer(request, response) {
  const path = request.url.split("?")[0];
  const route = routes[`${request.method} ${path}`];
  let status, value;
  try {
    [status, value] = route ? await route(request) : [404, { error: "there is nothing here" }];
  } catch (error) {
    if (!(error instanceof Refused)) console.error(`${request.method} ${path}: ${error.message}`);
    status = error instanceof Refused ? error.status : 503;
    value = { error: error instanceof Refused ? error.message : "the notes cannot be reached at the moment" };
  }
  const body = JSON.stringify(value);
  response.writeHead(status, {
    "Content-Type": "application/json",
    "Content-Length": Buffer.byteLength(body),
    "Cache-Control": "no-store",
    ...(server.listening ? {} : { Connection: "close" }),
  });
  response.end(body);
}

const server = createServer(answer);

for (const signal of ["SIGTERM", "SIGINT"]) {
  process.once(signal, () => {
    // answers what was asked, ends idle connections, then lets go of the stores
    server.close(async () => {
      await Promise.allSettled([database.end(), redis.isOpen ? redis.close() : undefined]);
      process.exit(0);
    });
    server.closeIdleConnections();
    setTimeout(() => process.exit(1), DRAIN_MS).unref();
  });
}

redis.connect().catch((error) => console.error(`redis: ${error.message}`));
server.listen(PORT, () => console.log(`listening on port ${server.address().port}`));
