// Runs one scenario in a real Chromium and prints what it saw as JSON: `node e2e/run.mjs NAME '{"base": …, "token": …}'`.
// Called by tests/portal_ui, which starts the portal and compares with the API and the ledger.
import { existsSync } from 'node:fs'
import { chromium } from 'playwright-core'

const [name, json] = process.argv.slice(2)
const options = JSON.parse(json)
const executablePath = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) => path && existsSync(path))
if (!executablePath) throw new Error('no Chromium: install the package chromium')

const trouble = []
const foreign = []
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--force-color-profile=srgb', '--disable-gpu', '--disable-lcd-text'] })

/** A new person: a context of its own, signed in with a token. `answers` are what the API says to it, by path, instead of its own. */
async function person({ token = options.token, framework = options.framework, hash = '#/now', clock, answers = {}, ...context } = {}) {
  const own = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: 'en-GB', timezoneId: 'Europe/Berlin', reducedMotion: 'reduce', ...context })
  if (token) await own.addInitScript((value) => { if (!sessionStorage.getItem('chainfleet-token')) sessionStorage.setItem('chainfleet-token', value) }, token)
  for (const [path, json] of Object.entries(answers)) await own.route((url) => url.pathname === `/api/v1${path}`, (route) => route.fulfill({ json }))
  const page = await own.newPage()
  page.on('console', (message) => { if (message.type() === 'error' && !(options.expected ?? []).some((text) => message.text().includes(text))) trouble.push(message.text()) })
  page.on('pageerror', (error) => trouble.push(`${error.message}\n${error.stack}`))
  own.on('request', (request) => { if (!request.url().startsWith(options.base) && !/^(blob|data):/.test(request.url())) foreign.push(request.url()) })
  if (clock) await page.clock.setFixedTime(clock)
  await page.goto(`${options.base}/ui/${framework}/${hash}`)
  return page
}

/** The API, as the page's own token sees it. */
async function api(path, init = {}) {
  const response = await fetch(`${options.base}/api/v1${path}`, { ...init, headers: { Authorization: `Bearer ${options.token}`, 'Content-Type': 'application/json', ...init.headers } })
  const text = await response.text()
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`)
  return text ? JSON.parse(text) : null
}

try {
  const { default: scenario } = await import(`./scenarios/${name}.mjs`)
  const result = await scenario({ person, api, options, browser })
  console.log(JSON.stringify({ ...result, trouble, foreign }))
} catch (error) {
  for (const context of browser.contexts()) for (const page of context.pages()) {
    if (options.shots) await page.screenshot({ path: `${options.shots}/${name}-failed.png`, fullPage: true }).catch(() => undefined)
    console.error(`at ${page.url()}\n${await page.locator('main').innerText().catch(() => '')}`.slice(0, 2500))
  }
  console.error(trouble.join('\n'))
  throw error
} finally {
  await browser.close()
}
