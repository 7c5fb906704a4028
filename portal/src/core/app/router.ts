/**
 * The page's place as a fragment: `#/runs/NAME/gantt?env=dev&region=uksouth`.
 *
 * A fragment and not a path: the same pages run under /ui/vue/, /ui/react/ and from a file (the offline export), and a
 * link survives a switch of the framework.
 */
export interface Route {
  readonly path: readonly string[]
  readonly query: Readonly<Record<string, string>>
}

export function parseRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#?\/?/, '').split('?', 2)
  const parts = path.split('/').filter(Boolean).map(decode)
  return {
    path: parts.length ? parts : ['now'],
    query: Object.fromEntries([...new URLSearchParams(query)].filter(([, value]) => value !== '')),
  }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

export function href(path: readonly string[], query: Readonly<Record<string, string | null | undefined>> = {}): string {
  const params = new URLSearchParams()
  for (const key of Object.keys(query).sort()) {
    const value = query[key]
    if (value) params.set(key, value)
  }
  const search = params.toString()
  return `#/${path.map(encodeURIComponent).join('/')}${search ? `?${search}` : ''}`
}

/** The one-time code of the address that the terminal printed, if the fragment is one. */
export function codeOf(hash: string): string | null {
  const match = /^#t=([^&]+)/.exec(hash)
  return match ? decode(match[1]!) : null
}
