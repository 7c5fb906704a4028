// axe in a page, as the portal's tests and the documentation's both ask it.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

const EVERYTHING = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
/** What can differ between the light and the dark of one page. */
export const OF_COLOUR = { type: 'rule', values: ['color-contrast', 'link-in-text-block'] }

/** What is wrong with a page, with up to three places of each; and how many rules it passes. */
export async function check(page, runOnly = EVERYTHING) {
  // Through the debugger: the page's own policy would refuse a script put into it.
  const session = await page.context().newCDPSession(page)
  await session.send('Runtime.evaluate', { expression: `if (!globalThis.axe) { ${axe} }` })
  const { result, exceptionDetails } = await session.send('Runtime.evaluate', {
    expression: `axe.run(document, { runOnly: ${JSON.stringify(runOnly)} }).then(({ violations, passes }) => JSON.stringify({ violations: violations.map(({ id, nodes }) => ({ id, nodes: nodes.slice(0, 3).map(({ html, failureSummary }) => html.slice(0, 160) + " " + failureSummary) })), passes: passes.length }))`,
    awaitPromise: true, returnByValue: true,
  })
  await session.detach()
  if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? 'axe failed')
  return JSON.parse(result.value)
}
