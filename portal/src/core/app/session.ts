/** Signing in: the one-time code of the address, the token in this tab's storage, an own token pasted, or OIDC. */
import { ApiError, type Client } from '../api/client'
import type { Meta, SessionView } from '../api/types'
import type { Shelf } from './preferences'
import { codeOf } from './router'

const TOKEN = 'chainfleet-token'
const LOGIN = 'chainfleet-login'

export interface Session {
  readonly meta: Meta | null
  readonly who: SessionView | null
  readonly problem: string
}

export interface Address {
  hash(): string
  replaceHash(hash: string): void
  go(url: string): void
}

/** Sign in with what there is; `who` is null when the person has to do something. */
export async function signIn(client: Client, shelf: Shelf, address: Address): Promise<Session> {
  const code = codeOf(address.hash())
  const login = stored(shelf, LOGIN)
  if (code) address.replaceHash(login?.hash ?? '#/now')
  shelf.removeItem(LOGIN)
  const meta = await client.call('getMeta', { method: 'GET', path: '/meta' })
  let problem = ''
  if (code) {
    try {
      const body = { code, ...(login ? { login_secret: login.secret } : {}) }
      const started = await client.call('startSession', { method: 'POST', path: '/session', body })
      return { meta, who: useToken(client, shelf, started.token, started.session), problem: '' }
    } catch (error) {
      problem = (error as Error).message
    }
  }
  const token = shelf.getItem(TOKEN)
  if (!token) return { meta, who: null, problem }
  return { ...(await withToken(client, shelf, token)), meta }
}

export async function withToken(client: Client, shelf: Shelf, token: string): Promise<Omit<Session, 'meta'>> {
  client.token = token
  try {
    const who = await client.call('getSession', { method: 'GET', path: '/session' })
    return { who: useToken(client, shelf, token, who), problem: '' }
  } catch (error) {
    client.token = ''
    // A server that is away for a moment knows the token again; only one that refuses it makes it worthless.
    if (error instanceof ApiError && error.status === 401) shelf.removeItem(TOKEN)
    return { who: null, problem: (error as Error).message }
  }
}

export async function signOut(client: Client, shelf: Shelf): Promise<void> {
  shelf.removeItem(TOKEN)
  if (!client.token) return
  try {
    await client.call('endSession', { method: 'DELETE', path: '/session' })
  } finally {
    client.token = ''
  }
}

export const forget = (shelf: Shelf): void => shelf.removeItem(TOKEN)

/** Send the browser to the issuer; the secret and the present page wait in this tab's storage. */
export async function startLogin(client: Client, shelf: Shelf, address: Address, path: string): Promise<void> {
  const started = await client.call('startLogin', { method: 'POST', path: '/oidc/logins', body: { return_to: path } })
  shelf.setItem(LOGIN, JSON.stringify({ secret: started.login_secret, hash: address.hash() || '#/now' }))
  address.go(started.authorize_url)
}

function useToken(client: Client, shelf: Shelf, token: string, who: SessionView): SessionView {
  client.token = token
  shelf.setItem(TOKEN, token)
  return who
}

function stored(shelf: Shelf, key: string): { secret: string; hash: string } | null {
  try {
    return JSON.parse(shelf.getItem(key) ?? 'null') as { secret: string; hash: string } | null
  } catch {
    return null
  }
}
