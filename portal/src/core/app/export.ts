/** A run as one HTML file: the same pages with the run's records inside; it opens from a ticket years later. */
import type { RunExport } from '../api/types'
import type { App } from './app'

export async function exportRun(app: App): Promise<void> {
  const run = app.run
  if (!run) return
  try {
    const path = `/environments/${run.environment}/runs/${run.run}/export`
    const [data, regions, script, style] = await Promise.all([
      app.client.call('exportRun', { method: 'GET', path }),
      app.client.all({ method: 'GET', path: '/regions', query: { limit: 500 } }),
      app.world.readAsset('export/viewer.js'), app.world.readAsset('export/viewer.css'),
    ])
    app.world.save(`${run.run}.html`, await exportPage(run.run, data, regions, script, style), 'text/html')
    app.toast('good', app.t('run.exported', { name: `${run.run}.html` }))
  } catch (error) {
    app.toast('bad', (error as Error).message)
  }
}

/** Nothing in the file may reach out: its policy allows exactly its own script and style. */
export async function exportPage(title: string, data: RunExport, regions: readonly unknown[], script: string, style: string): Promise<string> {
  const safe = JSON.stringify({ data, regions }).replaceAll('<', '\\u003c').replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')
  const code = script.replaceAll('</script', '<\\/script')
  const [scriptHash, styleHash] = await Promise.all([sha256(code), sha256(style)])
  const policy = `default-src 'none'; script-src 'sha256-${scriptHash}'; style-src 'sha256-${styleHash}'; img-src data:; base-uri 'none'; form-action 'none'`
  const name = title.replace(/[<>&"]/g, '')
  return [
    '<!doctype html>', '<html lang="en">', '<head>', '<meta charset="utf-8">', `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">', `<title>${name}</title>`, `<style>${style}</style>`, '</head>', '<body>', '<div id="app"></div>',
    `<script type="application/json" id="chainfleet-run">${safe}</script>`, `<script>${code}</script>`, '</body>', '</html>', '',
  ].join('\n')
}

async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return btoa(String.fromCharCode(...new Uint8Array(digest)))
}
