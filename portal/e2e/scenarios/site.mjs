// The documentation's pages, light and dark, on a desk and on a phone: axe, requests, what a page is too wide for, pictures.
import { OF_COLOUR, check } from '../axe.mjs'

export default async function ({ browser, options }) {
  const pages = {}
  const looks = options.looks.map(([name, colorScheme, width]) => look(name, colorScheme, width))
  await Promise.all(looks)
  return { pages }

  async function look(name, colorScheme, width) {
    const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme, reducedMotion: 'reduce', locale: 'en-GB' })
    const page = await context.newPage()
    const wrong = []
    page.on('pageerror', (error) => wrong.push(error.message))
    page.on('request', (request) => { if (!request.url().startsWith(options.base) && !/^(blob|data):/.test(request.url())) wrong.push(`asks ${request.url()}`) })
    page.on('response', (response) => { if (response.status() >= 400) wrong.push(`${response.status()} ${response.url()}`) })
    for (const path of options.pages) {
      await page.goto(`${options.base}/${path}`, { waitUntil: 'load' })
      await page.waitForFunction(() => document.querySelector('article h1'))
      const shown = options.shots && options.pictured.includes(path)
      if (shown) await page.screenshot({ path: `${options.shots}/${(path || 'index').replaceAll('/', '-')}${name}.png` })
      const scheme = await page.evaluate(() => document.body.dataset.mdColorScheme)
      // The theme gives wide tables a scroll bar of their own a moment after the page is there.
      await page.waitForFunction(() => document.documentElement.scrollWidth <= innerWidth, null, { timeout: 10_000 }).catch(() => undefined)
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
      // A page is the same document in the dark and on a phone: what changes is colours, and what sticks out.
      const found = name === 'phone' ? { violations: [] } : await check(page, name === 'light' ? undefined : OF_COLOUR)
      pages[`${path} ${name}`] = { ...found, scheme, overflow, wrong: wrong.splice(0) }
    }
    if (name === 'light') pages.search = await search(page)
    await context.close()
  }

  async function search(page) {
    await page.goto(options.base)
    await page.locator('.md-search__input').first().click()
    await page.keyboard.type('quorum')
    await page.waitForSelector('.md-search-result__item', { timeout: 90000 })
    return { found: await page.locator('.md-search-result__item').count(), violations: [], overflow: 0, wrong: [] }
  }
}
