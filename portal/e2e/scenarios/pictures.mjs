// Pictures of the portal for the documentation: pages of a run that has ended, in one build, one size.
export default async function ({ person, options }) {
  const taken = []
  for (const [name, hash, colorScheme] of options.pages) {
    const page = await person({ hash, colorScheme, viewport: { width: 1280, height: 800 } })
    await page.waitForFunction(() => document.querySelector('main h1') && !/Loading …/.test(document.querySelector('main').innerText))
    await page.waitForTimeout(1200)
    await page.screenshot({ path: `${options.shots}/${name}.png`, animations: 'disabled', caret: 'hide' })
    taken.push(name)
    await page.context().close()
  }
  return { taken }
}
