import { defineConfig } from "vite";

export default defineConfig({
  server: {
    // while developing, the page and the API have one address, as they have when deployed
    proxy: { "/api": process.env.API_URL ?? "http://127.0.0.1:4000" },
  },
});
