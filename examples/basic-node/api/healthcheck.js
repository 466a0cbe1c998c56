// Exit 0 if the server beside this file says that it is well, else 1.

const url = `http://127.0.0.1:${process.env.PORT ?? 4000}/healthz`;

try {
  const response = await fetch(url, { signal: AbortSignal.timeout(2500) });
  if (!response.ok) throw new Error(`HTTP ${response.status}: ${await response.text()}`);
} catch (error) {
  console.error(`${url}: ${error.message}`);
  process.exit(1);
}
