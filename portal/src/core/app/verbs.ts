/** What can be done, each with its request and the command line that does the same. Pure. */
import { addressOf, type Request } from '../api/client'
import type { RunAction } from '../api/types'

export type Verb =
  | { readonly verb: 'act'; readonly environment: string; readonly run: string; readonly action: RunAction; readonly tasks: readonly string[]; readonly gate: string }
  | { readonly verb: 'start'; readonly environment: string; readonly kind: 'deploy' | 'verify' | 'destroy' }
  | { readonly verb: 'lock' | 'unlock' | 'archive' | 'restore'; readonly environment: string }
  | TokenVerb

export interface TokenVerb {
  readonly verb: 'rotate' | 'revoke'
  readonly token: string
  readonly name: string
}

export const ofToken = (verb: Verb): verb is TokenVerb => verb.verb === 'rotate' || verb.verb === 'revoke'

export type Draft = Readonly<Record<string, string>>

/** Where the commands find the fleet: its file and state folder. */
export interface Place {
  readonly file: string
  readonly state: string
}

const list = (text: string | undefined): string[] => (text ?? '').split(/[\s,]+/).filter(Boolean)

/** `PHASE=N` entries, as the command line takes them. */
export function ceilingsOf(text: string | undefined): Record<string, number> {
  return Object.fromEntries(list(text).flatMap((entry) => {
    const [phase, count] = entry.split('=', 2)
    return phase && Number(count) > 0 ? [[phase, Number(count)]] : []
  }))
}

/** The policy of a roll-out as the API takes it; what is empty stays as the fleet declares it. */
export function policyOf(draft: Draft): Record<string, unknown> {
  const policy: Record<string, unknown> = {}
  if (draft['mode']) policy['mode'] = draft['mode']
  if (draft['waves']) policy['waves'] = draft['waves']
  if (list(draft['only']).length) policy['only'] = list(draft['only'])
  if (list(draft['skip']).length) policy['skip'] = list(draft['skip'])
  const ceilings = ceilingsOf(draft['ceilings'])
  if (Object.keys(ceilings).length) policy['ceilings'] = ceilings
  return policy
}

export function requestOf(verb: Verb, draft: Draft): Request {
  const reason = draft['reason'] ?? ''
  if (verb.verb === 'act') {
    const body: Record<string, unknown> = { reason }
    if ((verb.action === 'retry' || verb.action === 'skip') && verb.tasks.length) body['tasks'] = verb.tasks
    if (verb.gate) body['gate'] = verb.gate
    return { method: 'POST', path: `/environments/${verb.environment}/runs/${verb.run}/actions/${verb.action}`, body }
  }
  if (verb.verb === 'start') {
    const body: Record<string, unknown> = { kind: verb.kind, ...(verb.kind === 'deploy' ? policyOf(draft) : {}), reason }
    if (verb.kind === 'deploy' && draft['approval'] === 'yes') body['approval'] = true
    if (verb.kind === 'destroy') body['confirm'] = draft['confirm'] ?? ''
    return { method: 'POST', path: `/environments/${verb.environment}/runs`, body }
  }
  if (verb.verb === 'lock') return { method: 'POST', path: `/environments/${verb.environment}/lock`, body: { reason } }
  if (ofToken(verb)) return verb.verb === 'rotate' ? { method: 'POST', path: `/tokens/${verb.token}/rotate` } : { method: 'DELETE', path: `/tokens/${verb.token}` }
  return { method: 'POST', path: `/environments/${verb.environment}/${verb.verb}` }
}

/** Whether the server wants an Idempotency-Key: on everything that makes or starts something. */
export const keyed = (verb: Verb): boolean => verb.verb === 'act' || verb.verb === 'start'

const quote = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`)

/** The command that does the same; empty where the command line has none. */
export function commandOf(verb: Verb, draft: Draft, place: Place): string {
  const at = [place.file, '--state', place.state]
  const why = draft['reason'] ? ['--reason', draft['reason']] : []
  const line = (...words: string[]): string => ['chainfleet', ...words].map(quote).join(' ')
  if (verb.verb === 'act') {
    switch (verb.action) {
      case 'retry':
        return line('retry', place.file, ...verb.tasks, '--state', place.state)
      case 'skip':
        return line('skip', place.file, ...verb.tasks, '--state', place.state)
      case 'drain':
        return line('drain', ...at)
      case 'resume':
        return line('resume', ...at)
      case 'approve':
        return line('approve', place.file, verb.gate, '--state', place.state, ...why)
      case 'refuse':
        return line('approve', place.file, verb.gate, '--refuse', '--state', place.state, ...why)
      default:
        return line(verb.action, ...at, ...why)
    }
  }
  if (verb.verb !== 'start') return ''
  if (verb.kind === 'destroy') return line('destroy', ...at, '--confirm', draft['confirm'] || 'NAME')
  if (verb.kind === 'verify') return line('verify', ...at)
  return line('deploy', ...at, ...policyWords(draft), '--yes')
}

function policyWords(draft: Draft): string[] {
  const words: string[] = []
  if (draft['mode']) words.push('--mode', draft['mode'])
  if (draft['waves']) words.push('--waves', draft['waves'])
  for (const name of list(draft['only'])) words.push('--only', name)
  for (const name of list(draft['skip'])) words.push('--skip', name)
  for (const [phase, count] of Object.entries(ceilingsOf(draft['ceilings']))) words.push('--ceiling', `${phase}=${count}`)
  if (draft['approval'] === 'yes') words.push('--approval')
  return words
}

/** The request as a shell line; the token stays a variable, so that the line can be pasted into a ticket. */
export function curlOf(request: Request, origin: string, key: string): string {
  const words = [`curl -X ${request.method} ${quote(`${origin}${addressOf(request)}`)}`, '-H "Authorization: Bearer $TOKEN"']
  if (key) words.push(`-H 'Idempotency-Key: ${key}'`)
  for (const [name, value] of Object.entries(request.headers ?? {})) words.push(`-H ${quote(`${name}: ${value}`)}`)
  if (request.body !== undefined) words.push("-H 'Content-Type: application/json'", `-d ${quote(JSON.stringify(request.body))}`)
  return words.join(' \\\n  ')
}
