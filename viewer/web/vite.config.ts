import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig, type Plugin } from "vite";

/** Where the server listens on a developer's own machine; only `npm run dev` asks it. */
const server = "http://127.0.0.1:8000";

/**
 * Names the viewer's script in the page, so that it comes beside the first one and not after it: on a slow
 * line that is a round trip and the time in which the first script is read.
 */
const viewerAtOnce: Plugin = {
  name: "viewer-at-once",
  transformIndexHtml(html, { bundle }) {
    const viewer = Object.values(bundle ?? {}).find((file) => file.type === "chunk" && file.name === "Viewer");
    if (viewer === undefined) return html;
    const attrs = { rel: "modulepreload", crossorigin: true, href: `/${viewer.fileName}` };
    return [{ tag: "link", attrs, injectTo: "head" }];
  },
};

export default defineConfig({
  plugins: [svelte(), viewerAtOnce],
  build: {
    outDir: "../static",
    emptyOutDir: true,
    // The content security policy lets nothing run that is not a file of our own.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { proxy: { "/api": server, "/viewings": server } },
});
