import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig, type Plugin } from "vite";

/** Where the server listens on a developer's own machine; only `npm run dev` asks it. */
const server = "http://127.0.0.1:8000";

/**
 * Names in the page what would otherwise be found late: on a slow line that is a round trip and the time in which
 * the first script is read. `early.ts` is a script of its own that runs as soon as it is here; the viewer's comes
 * beside the first one and not after it.
 */
const atOnce: Plugin = {
  name: "at-once",
  transformIndexHtml(html, { bundle }) {
    const chunks = Object.values(bundle ?? {}).filter((file) => file.type === "chunk");
    const named = (name: string): string | undefined => chunks.find((file) => file.name === name)?.fileName;
    const [early, viewer] = [named("early"), named("Viewer")];
    if (early === undefined || viewer === undefined) return html;
    const script = { type: "module", crossorigin: true, src: `/${early}` };
    return [
      { tag: "script", attrs: script, injectTo: "head-prepend" },
      { tag: "link", attrs: { rel: "modulepreload", crossorigin: true, href: `/${viewer}` }, injectTo: "head" },
    ];
  },
};

export default defineConfig({
  plugins: [svelte(), atOnce],
  build: {
    outDir: "../static",
    emptyOutDir: true,
    // The content security policy lets nothing run that is not a file of our own.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // One for all pages: the viewer's script would wait for one of its own.
    cssCodeSplit: false,
    rollupOptions: { input: ["index.html", "src/early.ts"] },
  },
  server: { proxy: { "/api": server, "/viewings": server } },
});
