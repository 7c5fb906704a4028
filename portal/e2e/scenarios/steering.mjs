// A roll-out in two waves: its gate is approved, its failed region repaired and retried, a second run cancelled.
const dialogButton = (page, name) => page.getByRole('dialog').getByRole('button', { name, exact: true })

export default async function ({ person, api, options }) {
  const { environment } = options
  const page = await person({ hash: `#/now?env=${environment}` })
  await page.getByRole('button', { name: 'Deploy' }).click()
  await page.getByRole('dialog').getByLabel('Waves', { exact: true }).fill(options.waves)
  await page.getByRole('dialog').getByLabel('Gates between waves wait for a person').check()
  await page.getByRole('dialog').getByLabel('Reason', { exact: true }).fill('journey')
  await dialogButton(page, 'Deploy').click()
  await page.waitForURL(/#\/runs\//)
  const run = decodeURIComponent(page.url().split('/runs/')[1].split('/')[0])

  // The gate, with what its check found.
  const gate = page.locator('.item', { hasText: 'Waits for a decision' })
  await gate.getByRole('button', { name: 'Approve' }).waitFor({ timeout: 90_000 })
  const evidence = await gate.innerText()
  await gate.getByRole('button', { name: 'Approve' }).click()
  await page.getByRole('dialog').getByLabel('Reason', { exact: true }).fill('looks well')
  const approveTwin = await page.getByRole('region', { name: 'The same on the command line' }).innerText()
  await dialogButton(page, 'Approve').click()

  // The end, with one region failed for one cause.
  await page.locator('.lead-text', { hasText: /^(Failed|Ended degraded)/ }).waitFor({ timeout: 90_000 })
  const failedSentence = await page.locator('.lead-text').innerText()
  const cause = await page.locator('.item', { hasText: 'One cause in' }).innerText()
  if (options.shots) await page.screenshot({ path: `${options.shots}/failed-${options.framework}.png`, fullPage: true })

  // By keyboard: to the failure, into the inspector, and on to the retry of the region.
  await page.keyboard.press(']')
  await page.getByRole('region', { name: 'Inspector' }).waitFor()
  await fetch(`${options.control.url}/faults`, { method: 'DELETE', headers: { Authorization: `Bearer ${options.control.token}` } })
  await page.getByRole('button', { name: `Retry ${options.failing}` }).click()
  await page.getByRole('dialog').getByLabel('Reason', { exact: true }).fill('quota raised')
  const retryTwin = await page.getByRole('region', { name: 'The same on the command line' }).innerText()
  await dialogButton(page, 'Retry failed').click()
  await page.locator('.lead-text', { hasText: /^All \d+ regions deployed/ }).waitFor({ timeout: 90_000 })

  // Another run, cancelled while it works.
  await page.goto(`${options.base}/ui/${options.framework}/#/now?env=${environment}`)
  await page.getByRole('button', { name: 'Deploy' }).click()
  await page.getByRole('dialog').getByLabel('Waves', { exact: true }).fill(options.waves)
  await page.getByRole('dialog').getByLabel('Gates between waves wait for a person').check()
  await dialogButton(page, 'Deploy').click()
  await page.waitForFunction((before) => location.hash.includes('/runs/') && !location.hash.includes(before), run)
  const second = decodeURIComponent(page.url().split('/runs/')[1].split('/')[0])
  await page.getByRole('button', { name: 'Cancel run' }).click({ timeout: 60_000 })
  await page.getByRole('dialog').getByLabel('Reason', { exact: true }).fill('wrong night')
  await dialogButton(page, 'Cancel run').click()
  await page.locator('.lead-text', { hasText: /^Cancelled after/ }).waitFor({ timeout: 60_000 })

  const detail = await api(`/environments/${environment}/runs/${run}`)
  const cancelled = await api(`/environments/${environment}/runs/${second}`)
  return { run, second, evidence, approveTwin, retryTwin, failedSentence, cause, verdict: detail.verdict, cancelled: cancelled.verdict }
}
