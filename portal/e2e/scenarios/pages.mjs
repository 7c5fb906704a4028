// Every page in light and dark, on a desk and on a phone: axe, requests, structure, pictures for the parity gate.
import { check } from '../axe.mjs'
import { canonical } from '../canonical.js'

// As text, because the page knows nothing of this file.
const whole = `(${canonical})(document.querySelector('.shell'))`

export default async function ({ person, options }) {
  const pages = {}
  for (const colorScheme of ['light', 'dark']) {
    const page = await person({ hash: `#/now?env=${options.environment}`, colorScheme, clock: options.now, answers: options.answers })
    const asked = unanswered(page)
    await page.waitForSelector('.lead, .empty')
    for (const [name, hash] of Object.entries(options.pages)) {
      await page.goto(`${options.base}/ui/${options.framework}/#/${hash}`)
      await settled(page, asked)
      const seen = { html: await page.evaluate(whole), aria: await page.locator('body').ariaSnapshot(), overflow: await page.evaluate(() => document.documentElement.scrollWidth - innerWidth) }
      seen.picture = `${options.shots}/${name}-${colorScheme}-${options.framework}.png`
      await picture(page, seen.picture)
      seen.title = await settledTitle(page)
      // Where the documents are equal, one build's findings are the other's.
      if (options.axe) seen.axe = await check(page)
      pages[`${name} ${colorScheme}`] = seen
    }
    if (options.axe && colorScheme === 'light') {
      await page.setViewportSize({ width: 390, height: 844 })
      for (const [name, hash] of Object.entries(options.pages)) {
        await page.goto(`${options.base}/ui/${options.framework}/#/${hash}`)
        await settled(page, asked)
        await page.screenshot({ path: `${options.shots}/${name}-phone-${options.framework}.png`, fullPage: true })
        pages[`${name} phone`] = { overflow: await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), axe: await check(page) }
      }
    }
    await page.context().close()
  }
  return { pages }
}

/** What a page has asked of the API and was not answered yet; the streams of events, which never end, left out. */
function unanswered(page) {
  const asked = new Set()
  page.on('request', (request) => { if (request.url().includes('/api/v1/') && !request.url().includes('/api/v1/events?')) asked.add(request) })
  for (const end of ['requestfinished', 'requestfailed']) page.on(end, (request) => asked.delete(request))
  return asked
}

/** Loaded, with every panel drawn, every answer in and nothing changing any more. */
async function settled(page, asked) {
  await page.waitForFunction(() => document.querySelector('main h1') && !/Loading …/.test(document.querySelector('main').innerText) && [...document.querySelectorAll('.panel')].every((panel) => panel.firstChild))
  let before = ''
  for (let i = 0; i < 500; i++) {
    const now = await page.evaluate(whole)
    if (now === before && !asked.size) return
    before = now
    await page.waitForTimeout(60)
  }
  throw new Error(`the page does not come to rest; not answered: ${[...asked].map((request) => request.url()).join(', ')}`)
}

/** A picture of a page at rest: taken until it comes out the same twice. */
async function picture(page, path) {
  let before
  for (let i = 0; i < 4; i++) {
    const shot = await page.screenshot({ fullPage: true, animations: 'disabled', caret: 'hide', path })
    if (before?.equals(shot)) return
    before = shot
  }
}

/** The title once it stands still: it follows a quarter of a second behind (see browser.ts), on a busy machine longer. */
async function settledTitle(page) {
  let before = ''
  for (let look = 0; look < 20; look += 1) {
    const title = await page.title()
    if (title === before && look >= 3) return title
    before = title
    await new Promise((resolve) => setTimeout(resolve, 300))
  }
  return before
}
