// A person makes an environment of 24 regions on one build, presses Deploy, and watches it to the end; another person
// watches the same on the other build. Nothing is reloaded.
export default async function ({ person, options, browser }) {
  const page = await person({ hash: '#/environments/new' })
  await page.getByLabel('Name').fill(options.environment)
  await page.getByLabel(/Deploy to the emulated cloud/).check()
  await page.getByLabel('Fleet (YAML)').fill(options.document)
  await page.getByRole('button', { name: 'Create' }).click()
  await page.getByRole('heading', { level: 1, name: options.environment }).waitFor()

  await page.getByRole('button', { name: 'Deploy' }).click()
  const sheet = page.getByRole('dialog', { name: 'Deploy' })
  const twin = await sheet.getByRole('region', { name: 'The same on the command line' }).innerText()
  const curl = await sheet.getByRole('region', { name: 'The same with curl' }).innerText()
  await sheet.getByRole('button', { name: 'Deploy' }).click()
  await page.waitForURL(/#\/runs\//)
  const other = await person({ framework: options.other, hash: page.url().slice(page.url().indexOf('#')) })
  const [watched, elsewhere] = await Promise.all([watch(page), watch(other)])
  if (options.shots) await page.screenshot({ path: `${options.shots}/deployment.png`, fullPage: true })
  const run = decodeURIComponent(page.url().split('/runs/')[1].split('/')[0])
  // The run as one file, opened without a server.
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Export' }).click()])
  await download.saveAs(options.file)
  return { run, twin, curl, watched, elsewhere, opened: await openFile(browser, options.file) }
}

/** The exported file in a browser that never saw the portal: what it shows now, and at an earlier event. */
async function openFile(browser, file) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: 'en-GB' })
  const page = await context.newPage()
  const complaints = []
  const asked = []
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('request', (request) => asked.push(request.url()))
  await page.goto(`file://${file}`)
  const sentence = await page.locator('.lead-text').innerText()
  await page.getByRole('link', { name: 'Open the run' }).or(page.getByRole('button', { name: 'Open the run' })).click()
  const slider = page.getByRole('slider')
  await slider.waitFor()
  await slider.fill('100')
  await page.getByText(/The run as it stood at event/).waitFor()
  const past = await page.locator('.matrix td.state-succeeded').count()
  await context.close()
  return { sentence, past, complaints, asked: asked.map((url) => url.split('?')[0]).filter((url) => url !== `file://${file}`) }
}

/** What the page shows, moment by moment, until all is deployed. */
async function watch(page) {
  await page.locator('.matrix').waitFor({ timeout: 60_000 })
  const seen = []
  const deadline = Date.now() + 150_000
  for (;;) {
    const now = await page.evaluate(() => ({
      done: document.querySelectorAll('.matrix td.state-succeeded').length,
      running: document.querySelectorAll('.matrix td.state-running').length,
      rows: document.querySelectorAll('.matrix tbody tr').length,
      sentence: document.querySelector('.lead-text').textContent,
      bound: document.querySelector('.lead-meta')?.textContent ?? '',
      link: document.querySelector('.link-text').textContent,
      gaps: globalThis.chainfleet.metrics.gaps,
      records: globalThis.chainfleet.metrics.records,
    }))
    seen.push(now)
    if (/^All 24 regions deployed/.test(now.sentence)) return seen
    if (Date.now() > deadline) throw new Error(`not over: ${now.sentence}`)
    await page.waitForTimeout(250)
  }
}
