/**
 * One configuration for both frameworks: `VITE_FRAMEWORK=vue|react` chooses which view the entry mounts. `npm run
 * build` (tools/build.mjs) builds both, and with mode `viewer` the one script that exported runs carry.
 */
import { fileURLToPath } from 'node:url'
import react from '@vitejs/plugin-react'
import vue from '@vitejs/plugin-vue'
import type { Plugin, UserConfig } from 'vite'

const VIEW = 'virtual:portal-view'
const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

function portalView(framework: string): Plugin {
  return {
    name: 'portal-view',
    resolveId: (id) => (id === VIEW ? at(framework === 'react' ? 'src/react/index.tsx' : 'src/vue/index.ts') : null),
  }
}

function pages(framework: string): UserConfig['build'] {
  return {
    outDir: `dist/${framework}`,
    rollupOptions: {
      checks: { pluginTimings: false },
      input: { index: at('index.html'), hub: at('src/core/live/worker.ts') },
      // The hub keeps its name, so that all tabs of a browser meet in one worker, and lies outside the folder that is cached for good.
      output: { entryFileNames: (chunk) => (chunk.name === 'hub' ? 'hub.js' : 'assets/[name]-[hash].js') },
    },
  }
}

function viewer(framework: string): UserConfig['build'] {
  return {
    outDir: `dist/${framework}/export`,
    copyPublicDir: false,
    cssCodeSplit: false,
    rollupOptions: { checks: { pluginTimings: false } },
    lib: { entry: at('src/core/viewer.ts'), name: 'chainfleetViewer', formats: ['iife'], fileName: () => 'viewer.js', cssFileName: 'viewer' },
  }
}

export default ({ mode }: { mode: string }): UserConfig & { test: object } => {
  const framework = process.env['VITE_FRAMEWORK'] === 'react' ? 'react' : 'vue'
  return {
    base: './',
    plugins: [portalView(framework), vue(), react()],
    define: {
      __HUB__: JSON.stringify('hub.js'), __VUE_OPTIONS_API__: 'false', __VUE_PROD_DEVTOOLS__: 'false', __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: 'false',
      ...(mode === 'viewer' ? { 'process.env.NODE_ENV': '"production"' } : {}),
    },
    build: {
      emptyOutDir: true, target: 'es2022', reportCompressedSize: false, modulePreload: { polyfill: false },
      // Scripts, styles and workers are files of their own: the pages' policy allows nothing inline.
      assetsInlineLimit: 0,
      ...(mode === 'viewer' ? viewer(framework) : pages(framework)),
    },
    // The API of a portal that runs on this machine, for `npx vite`.
    server: { proxy: { '/api': { target: process.env['PORTAL'] ?? 'http://127.0.0.1:8716' } } },
    test: { environment: 'node', include: ['tests/**/*.test.{ts,tsx}'], testTimeout: 20_000 },
  }
}
