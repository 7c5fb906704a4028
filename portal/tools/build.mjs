// Builds what the portal serves: dist/vue, dist/react (VITE_FRAMEWORK=vue|react for one of them), each with the viewer
// of exported runs, and .br and .gz beside every text file. A manifest says what is in each, so that a server can check.
import { createHash } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { build } from 'vite'

const root = fileURLToPath(new URL('..', import.meta.url))
const wanted = process.env.VITE_FRAMEWORK ?? 'both'
const frameworks = wanted === 'both' ? ['vue', 'react'] : [wanted]
if (!frameworks.every((name) => name === 'vue' || name === 'react')) throw new Error(`VITE_FRAMEWORK is vue, react or both, not ${wanted}`)

for (const framework of frameworks) {
  process.env.VITE_FRAMEWORK = framework
  // The viewer is one script and one style without further files: an export must carry everything inside.
  for (const mode of ['production', 'viewer']) await build({ root, configFile: `${root}vite.config.ts`, mode, logLevel: 'warn' })
  await finish(`${root}dist/${framework}`)
}

async function finish(folder) {
  const files = {}
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const path = `${entry.parentPath}/${entry.name}`
    const body = await readFile(path)
    files[path.slice(folder.length + 1)] = createHash('sha256').update(body).digest('hex')
    if (!/\.(js|css|html|svg|json)$/.test(entry.name) || body.length < 512) continue
    await writeFile(`${path}.gz`, gzipSync(body, { level: 9 }))
    await writeFile(`${path}.br`, brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }))
  }
  const sorted = Object.fromEntries(Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1)))
  await writeFile(`${folder}/manifest.json`, `${JSON.stringify(sorted, null, 1)}\n`)
}
