/** Three-way merge of two people's changes to one fleet, field by field. Pure. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

export interface Conflict {
  readonly path: string
  readonly base: Json | undefined
  readonly mine: Json | undefined
  readonly theirs: Json | undefined
  /** Both changed it, and differently: somebody has to choose. */
  readonly clash: boolean
}

const isObject = (value: Json | undefined): value is { [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const same = (a: Json | undefined, b: Json | undefined): boolean => canonical(a) === canonical(b)

function canonical(value: Json | undefined): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
  if (isObject(value)) return `{${Object.keys(value).sort().map((key) => `${key}:${canonical(value[key])}`).join()}}`
  return JSON.stringify(value) ?? 'undefined'
}

/** Every field that either side changed. Lists are taken whole: two edits of one list are a clash. */
export function differences(base: Json | undefined, mine: Json | undefined, theirs: Json | undefined, path = ''): Conflict[] {
  if (same(mine, theirs) && same(base, mine)) return []
  if (isObject(base) && isObject(mine) && isObject(theirs)) {
    const keys = [...new Set([...Object.keys(base), ...Object.keys(mine), ...Object.keys(theirs)])].sort()
    return keys.flatMap((key) => differences(base[key], mine[key], theirs[key], path ? `${path}.${key}` : key))
  }
  return [{ path, base, mine, theirs, clash: !same(base, mine) && !same(base, theirs) && !same(mine, theirs) }]
}

/** Both sides' changes together; where they clash, `choose` says whose. */
export function merge(base: Json, mine: Json, theirs: Json, choose: (path: string) => 'mine' | 'theirs'): Json {
  let merged = structuredClone(theirs)
  for (const conflict of differences(base, mine, theirs)) {
    const own = !same(conflict.base, conflict.mine)
    if (!own || (conflict.clash && choose(conflict.path) === 'theirs')) continue
    merged = put(merged, conflict.path, conflict.mine)
  }
  return merged
}

export function get(document: Json | undefined, path: string): Json | undefined {
  let value: Json | undefined = document
  for (const key of path.split('.')) value = isObject(value) ? value[key] : undefined
  return value
}

/** A copy with that field set, or taken out if the value is undefined. */
export function put(document: Json, path: string, value: Json | undefined): Json {
  if (path === '') return value ?? null
  const [key, ...rest] = path.split('.') as [string, ...string[]]
  const copy: { [key: string]: Json } = isObject(document) ? { ...document } : {}
  if (rest.length) copy[key] = put(copy[key] ?? {}, rest.join('.'), value)
  else if (value === undefined) delete copy[key]
  else copy[key] = value
  return copy
}

export const shown = (value: Json | undefined): string => (value === undefined ? '—' : typeof value === 'string' ? value : JSON.stringify(value))
