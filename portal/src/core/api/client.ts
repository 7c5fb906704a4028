/**
 * The API from the page: bearer token, problem documents as one error type, ETag, Idempotency-Key, cursors.
 *
 * A 401 ends the session once and for all callers; nothing is repeated.
 */
import type { Operations, Page, Problem } from './types'

export class ApiError extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail || problem.title)
    this.name = 'ApiError'
  }
  get status(): number {
    return this.problem.status
  }
}

/** What went wrong on this side of the wire, in the same shape. */
export const localProblem = (title: string, status = 0): Problem => ({
  type: 'about:blank', title, status, detail: '', way_out: '', request_id: '', retryable: status === 0, errors: [],
})

export type OperationId = keyof Operations
type JsonOf<R> = R extends { content: { 'application/json': infer Body } } ? Body : undefined
type Ok<R> = { [K in keyof R]: K extends 200 | 201 | 202 ? JsonOf<R[K]> : never }[keyof R]
export type Answer<O extends OperationId> = Exclude<Ok<Operations[O]['responses']>, never>

export interface Request {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  path: string
  query?: Record<string, string | number | boolean | readonly string[] | undefined>
  body?: unknown
  headers?: Record<string, string>
}

const enc = encodeURIComponent

/** The address of a request below the server's base, without it. */
export function addressOf({ path, query }: Request): string {
  const parts: string[] = []
  for (const [key, value] of Object.entries(query ?? {})) {
    if (value === undefined || value === '') continue
    for (const item of Array.isArray(value) ? (value as readonly string[]) : [value]) parts.push(`${enc(key)}=${enc(String(item))}`)
  }
  return `/api/v1${path}${parts.length ? `?${parts.join('&')}` : ''}`
}

export class Client {
  token = ''
  onSignedOut: () => void = () => undefined

  constructor(readonly base: string, private readonly fetcher: typeof fetch, private readonly newKey: () => string) {}

  async call<O extends OperationId>(_operation: O, request: Request): Promise<Answer<O>> {
    const response = await this.send(request)
    if (response.status === 204) return undefined as Answer<O>
    return (await response.json()) as Answer<O>
  }

  async text(request: Request): Promise<string> {
    return (await this.send(request)).text()
  }

  /** Every item of a list, following its cursors; `most` bounds what a broken server could send. */
  async all<T>(request: Request, most = 10_000): Promise<T[]> {
    const items: T[] = []
    let cursor: string | undefined
    do {
      const page = (await (await this.send({ ...request, query: { ...request.query, cursor } })).json()) as Page<T>
      items.push(...page.items)
      cursor = page.next ?? undefined
    } while (cursor && items.length < most)
    return items
  }

  /** A fresh key: the same press of a button is one key, however often it is sent. */
  idempotencyKey(): string {
    return this.newKey()
  }

  private async send(request: Request): Promise<Response> {
    const headers: Record<string, string> = { Accept: 'application/json', ...request.headers }
    if (this.token) headers['Authorization'] = `Bearer ${this.token}`
    const init: RequestInit = { method: request.method, headers, cache: 'no-store', credentials: 'omit' }
    if (request.body !== undefined) {
      headers['Content-Type'] = 'application/json'
      init.body = JSON.stringify(request.body)
    }
    let response: Response
    try {
      response = await this.fetcher(this.base + addressOf(request), init)
    } catch {
      throw new ApiError(localProblem('The server does not answer'))
    }
    if (response.ok) return response
    const problem = await problemOf(response)
    if (response.status === 401 && this.token) {
      this.token = ''
      this.onSignedOut()
    }
    throw new ApiError(problem)
  }
}

async function problemOf(response: Response): Promise<Problem> {
  const fallback = localProblem(response.statusText || `HTTP ${response.status}`, response.status)
  try {
    return { ...fallback, ...((await response.json()) as Problem) }
  } catch {
    return fallback
  }
}
