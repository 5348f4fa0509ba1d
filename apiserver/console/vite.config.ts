import { defineConfig } from "vite";

// For `npm run dev`: where a running apiserver answers.
const apiserver = process.env["HUATUO_HTTP"] ?? "127.0.0.1:12740";

export default defineConfig({
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
  build: {
    target: "es2021",
    // The policy of the server allows no data: URLs.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { proxy: { "/api": `http://${apiserver}`, "/metrics": `http://${apiserver}` } },
});
