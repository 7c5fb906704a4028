/** The viewer of exported runs: the same pages, with what the file holds instead of a server. */
import { framework, mount } from 'virtual:portal-view'
import { App } from './app/app'
import { attach, browserWorld } from './browser'
import { fileFetch, type FileContents } from './app/file'
import type { Shelf } from './app/preferences'
import '../css/index.css'

void framework
const contents = JSON.parse(document.getElementById('chainfleet-run')!.textContent) as FileContents

// A file's storage is shared with every other file, or forbidden: keep nothing.
function shelf(): Shelf {
  const values = new Map<string, string>()
  return { getItem: (key) => values.get(key) ?? null, setItem: (key, value) => void values.set(key, value), removeItem: (key) => void values.delete(key) }
}

const session = shelf()
session.setItem('chainfleet-token', 'file')
const app = new App({
  ...browserWorld('file'),
  local: shelf(), session, fetch: fileFetch(contents),
  connect: () => ({ send: () => undefined }),
})
attach(app)
mount(app, document.getElementById('app')!)
void app.start()
